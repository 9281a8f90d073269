import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { t as file, type Test, test } from 'tap'
import { Demo, succeeds } from './demo.ts'

/** What functions that run in the page find there; the project has no types of browsers. */
interface Box {
  readonly left: number
  readonly top: number
}
interface TextNode {
  readonly data: string
}
interface Cell {
  readonly textContent: string
  readonly children: { readonly length: number }
  getAttribute(name: string): string | null
}
interface TextRange {
  setStart(node: TextNode, at: number): void
  setEnd(node: TextNode, at: number): void
  getBoundingClientRect(): Box
  getClientRects(): { readonly length: number }
}
declare const document: {
  readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number }
  createRange(): TextRange
}
declare function getComputedStyle(element: unknown): Readonly<Record<'direction' | 'lineHeight' | 'fontSize', string>>

const CHROMIUM = '/usr/bin/chromium'
const skip = existsSync(CHROMIUM) ? false : `${CHROMIUM} is not installed`
/** For who runs as root, and for a browser that asks nobody anything. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const PHONE = { width: 360, height: 740 }
const DESK = { width: 1_280, height: 900 }
/** Width of A4 less its margins, at 96 dots to the inch. */
const PAPER = { width: Math.round(((210 - 24) / 25.4) * 96), height: 1_000 }
const NAME = 'مخبز النور بالمنصورة'
const DAY_TIMEOUT_MS = 300_000

/** Pictures for who wants to look: only where this is set. */
const pictures = process.env.MIZAN_TEST_PICTURES

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true })
}

/** What a page complained of, and whom it asked. */
function watched(page: Page) {
  const complaints: string[] = []
  const asked: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => asked.push(request.url()))
  return { complaints, asked }
}

async function logIn(context: BrowserContext, demo: Demo): Promise<void> {
  const data = { name: 'settlement', password: demo.passwordOf('settlement'), cookie: true }
  const answer = await context.request.post(`${demo.api}/auth/login`, { data })
  if (!answer.ok()) throw new Error(`login: ${answer.status()} ${await answer.text()}`)
}

/** Rows of the table of a caption, cell by cell; those of sums are the last. */
async function table(page: Page, caption: string): Promise<string[][]> {
  const found = page.locator('table').filter({ has: page.locator('caption', { hasText: caption }) })
  return found
    .locator('tbody tr')
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children as Iterable<Cell>, (cell) => cell.textContent)))
}

/** Width of all that a page holds, and of what is seen of it. */
const widths = () => ({ all: document.documentElement.scrollWidth, seen: document.documentElement.clientWidth })

/** Words of up to twenty letters that a cell breaks over lines, other than at a hyphen. */
function brokenWords(page: Page): Promise<string[]> {
  return page.locator('td, th').evaluateAll((cells) =>
    cells.flatMap((cell) => {
      const text = (cell as unknown as { firstChild: TextNode | null }).firstChild
      if (text?.data === undefined) return []
      return Array.from(text.data.matchAll(/[^\s-]{2,20}/g)).flatMap(({ 0: word, index }) => {
        const range = document.createRange()
        range.setStart(text, index)
        range.setEnd(text, index + word.length)
        const isLong = /\S{21}/.test(text.data)
        return !isLong && range.getClientRects().length > 1 ? [word] : []
      })
    }),
  )
}

const grouped = (text: string) => text.replace(/\B(?=(\d{3})+$)/g, ',')
const egp = (piasters: string) => {
  const [sign, digits] = piasters.startsWith('-') ? ['-', piasters.slice(1)] : ['', piasters]
  const padded = digits.padStart(3, '0')
  return `${sign}${grouped(padded.slice(0, -2))}.${padded.slice(-2)}`
}

/** A break whose words name an outlet as it is called, with an amount behind it. */
async function plantException(demo: Demo, date: string): Promise<void> {
  await demo.atDatabase((client) =>
    client.query(
      `insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, summary,
         opened_run, last_run, opened_at)
       select 'position-short', 'page', 'position', $1, $1, 123456, $2, max(id), max(id), now() from reconciliation_run`,
      [date, `outlet ${NAME} 1,234.56 EGP short of 2,000.00`],
    ),
  )
}

/** What the database has of the day, for the tables of the page. */
async function figures(demo: Demo, date: string) {
  return demo.atDatabase(async (client) => {
    const { rows: balance } = await client.query<{ unit: string; debits: string; credits: string }>(
      `select unit, sum(debits)::text as debits, sum(credits)::text as credits from business_day_balances
       where business_date = $1 group by unit order by unit`,
      [date],
    )
    const { rows: files } = await client.query<{ name: string; items: string; gross: string; sha256: string }>(
      `select name, items::text, gross_piasters::text as gross, encode(sha256, 'hex') as sha256 from clearing_file
       where business_date = $1 order by id`,
      [date],
    )
    const { rows: net } = await client.query<{ credit: string; debit: string; net: string }>(
      `select sum(credit_piasters)::text as credit, sum(debit_piasters)::text as debit, sum(net_piasters)::text as net
       from settlement_position where business_date = $1`,
      [date],
    )
    return { balance, files, net: net[0] }
  })
}

const browser = skip === false ? await chromium.launch({ executablePath: CHROMIUM, args: flags }) : undefined
file.teardown(() => browser?.close())

async function opened(t: Test, demo: Demo, url: string, viewport: { width: number; height: number }) {
  const context = await browser?.newContext({ viewport })
  if (context === undefined) throw new Error('there is no browser')
  t.teardown(() => context.close())
  await logIn(context, demo)
  const page = await context.newPage()
  const seen = watched(page)
  const answer = await page.goto(url)
  t.equal(answer?.status(), 200)
  t.same(seen, { complaints: [], asked: [url] }, 'nothing is wrong with it, and it asks nobody else')
  return page
}

test('the report of a day as a browser shows it', { skip, timeout: DAY_TIMEOUT_MS }, async (t) => {
  const demo = new Demo()
  t.teardown(() => demo.stop())
  await demo.start()
  await succeeds(t, demo, 'demo')
  await succeeds(t, demo, 'demo', 'day')
  const date = await demo.atDatabase(async (client) => {
    const { rows } = await client.query<{ date: string }>('select max(business_date)::text as date from settlement_run')
    return rows[0]?.date ?? ''
  })
  await plantException(demo, date)
  const url = `${demo.api}/business-days/${date}/report`
  const page = await opened(t, demo, url, DESK)
  await picture(page, 'desk')

  t.test('its figures are those of the database', async (t) => {
    const { balance, files, net } = await figures(demo, date)
    const shown = await table(page, 'By kind of account')
    for (const { unit, debits, credits } of balance) {
      const sum = shown.find((row) => row[1] === 'sum' && row[2] === unit)
      const text = unit === 'EGP' ? egp : grouped
      t.same(sum?.slice(4, 6), [text(debits), text(credits)], unit)
    }
    const listed = (await table(page, 'Files')).map((row) => [row[0], row[4], row[5], row[6]])
    t.same(
      listed,
      files.map(({ name, items, gross, sha256 }) => [name, grouped(items), egp(gross), sha256]),
    )
    const positions = await table(page, 'Net positions')
    t.same(positions.at(-1)?.slice(3), [egp(net?.credit ?? ''), egp(net?.debit ?? ''), egp(net?.net ?? '')])
    t.ok(files.length >= 6 && balance.length >= 2 && positions.length >= 3, 'there is something to show')
  })

  t.test('a reader that does not see finds its way', async (t) => {
    t.same(await page.locator('h1').count(), 1)
    t.equal(await page.locator('html').getAttribute('lang'), 'en')
    const faults = await page.locator('main table').evaluateAll((tables) =>
      tables
        .filter((one) => one.querySelector('thead') !== null || one.querySelector('th[scope=row]') === null)
        .filter(
          (one) =>
            (one.querySelector('caption')?.textContent ?? '') === '' ||
            Array.from(one.querySelectorAll('thead th') as Iterable<Cell>).some(
              (head) => head.getAttribute('scope') !== 'col' || head.textContent === '',
            ) ||
            Array.from(one.querySelectorAll('tr') as Iterable<Cell>).some(
              (row) => row.children.length !== one.querySelectorAll('thead th').length,
            ),
        )
        .map((one) => one.outerHTML.slice(0, 200)),
    )
    t.same(faults, [], 'tables have captions and heads')
  })

  t.test('Arabic goes from right to left, and turns nothing else around', async (t) => {
    const name = page.locator('bdi', { hasText: NAME })
    t.equal(await name.evaluate((one) => getComputedStyle(one).direction), 'rtl')
    const places = await name.evaluate((one, words) => {
      const text = one.firstChild as unknown as TextNode
      const box = (node: TextNode, from: number, to: number) => {
        const range = document.createRange()
        range.setStart(node, from)
        range.setEnd(node, to)
        return range.getBoundingClientRect()
      }
      const behind = one.nextSibling as unknown as TextNode
      const at = behind.data.indexOf(words)
      const [first, last] = [box(text, 0, 1), box(text, text.data.length - 1, text.data.length)]
      const amount = box(behind, at, at + words.length)
      return {
        first: first.left,
        last: last.left,
        isOneLine: first.top === last.top && first.top === amount.top,
        amount: amount.left,
      }
    }, '1,234.56')
    // On one line the first letter stands right of the last, and the amount right of both, as it is written.
    t.ok(places.isOneLine, 'the desk is wide enough to tell')
    t.ok(places.first > places.last && places.amount > places.first, JSON.stringify(places))
  })

  t.test('on a phone it is read without moving the page sideways', async (t) => {
    const phone = await opened(t, demo, url, PHONE)
    await picture(phone, 'phone')
    const { all, seen } = await phone.evaluate(widths)
    t.ok(all <= seen, `${all} of ${seen} dots`)
    t.same(await brokenWords(phone), [], 'no word falls apart')
    const tiny = await phone
      .locator('td, th, dd, p')
      .evaluateAll((all) => all.filter((one) => Number.parseFloat(getComputedStyle(one).fontSize) < 10).length)
    t.equal(tiny, 0, 'nothing is smaller than can be read')
  })

  t.test('on paper every column is there', async (t) => {
    await page.emulateMedia({ media: 'print' })
    await page.setViewportSize(PAPER)
    await picture(page, 'paper')
    const { all, seen } = await page.evaluate(widths)
    t.ok(all <= seen, `${all} of ${seen} dots`)
    t.same(await brokenWords(page), [], 'no word falls apart')
    const cut = await page
      .locator('td, th')
      .evaluateAll(
        (cells, width) =>
          cells.filter((cell) => cell.getBoundingClientRect().right > width).map((cell) => cell.textContent),
        PAPER.width,
      )
    t.same(cut, [], 'nothing is cut off at the margin')
    const pdf = await page.pdf({ preferCSSPageSize: true })
    t.ok(pdf.subarray(0, 5).equals(Buffer.from('%PDF-')))
    const sheets = pdf.toString('latin1').match(/\/Type\s*\/Page[^s]/g)?.length ?? 0
    t.ok(sheets >= 4 && sheets < 40, `${sheets} sheets: each part begins one`)
  })
})
