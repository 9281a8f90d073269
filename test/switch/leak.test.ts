import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { explainCommand } from '../../src/commands/explain.ts'
import { keysCommand } from '../../src/commands/keys.ts'
import { verifyCommand } from '../../src/commands/verify.ts'
import { berValue, parseBerTlv } from '../../src/iso8583/ber-tlv.ts'
import { encodeEbcdic } from '../../src/iso8583/ebcdic.ts'
import { writeFrame } from '../../src/link/framing.ts'
import { ChipCard } from '../../src/simulator/chip-card.ts'
import { ChipIssuer } from '../../src/simulator/chip-issuer.ts'
import { chipVersionOf } from '../../src/simulator/chip-record.ts'
import { Counterparty, type Sent } from '../../src/simulator/counterparty.ts'
import { readWorld, type World, type WorldHousehold } from '../../src/simulator/demo-files.ts'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'
import { type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { withChip } from '../../src/simulator/presentment.ts'
import { rails } from '../../src/simulator/rails.ts'
import { withClient } from '../../src/store/database-location.ts'
import { commandRunner } from '../support/command.ts'
import { createTestDatabase } from '../support/database.ts'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli.ts')
const READY_MS = 60_000
type RailName = keyof typeof rails
const MARKED = 31

/** A switch as a process of its own, with all that it ever says. */
class Installation {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'mizan-leak-'))
  readonly said: Buffer[] = []
  readonly env: NodeJS.ProcessEnv

  constructor(databaseUrl: string) {
    this.env = {
      ...process.env,
      DATABASE_URL: databaseUrl,
      MIZAN_VAR: this.folder,
      MIZAN_LOG_LEVEL: 'trace',
      MIZAN_PORT_ASCII: '0',
      MIZAN_PORT_VISA: '0',
      MIZAN_PORT_BCD: '0',
      MIZAN_PORT_HTTP: '0',
    }
  }

  run(...words: string[]) {
    const child = spawn(process.execPath, [cli, ...words], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (chunk: Buffer) => this.said.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => this.said.push(chunk))
    return child
  }

  async finished(...words: string[]): Promise<number | null> {
    const [code] = (await once(this.run(...words), 'exit')) as [number | null]
    return code
  }

  async started() {
    const child = this.run('start')
    const file = path.join(this.folder, 'run', 'listeners.json')
    rmSync(file, { force: true })
    for (const deadline = Date.now() + READY_MS; !existsSync(file) && Date.now() < deadline; ) await sleep(50)
    const ports = JSON.parse(readFileSync(file, 'utf8')) as { ascii: number; visa: number; bcd: number; http: number }
    return { child, ports }
  }

  /** What lies in the data folder but the demo's clear cards and keys, which say that they are no secret, and the key. */
  files(folder = this.folder): string {
    let text = ''
    for (const name of readdirSync(folder)) {
      const file = path.join(folder, name)
      if (name === 'demo' || name === 'keys') continue
      // A file of the network as the network left it, which names cards in clear until it is taken.
      if (file === path.join(this.folder, 'clearing', 'in')) continue
      text += statSync(file).isDirectory() ? this.files(file) : readFileSync(file, 'latin1')
    }
    return text
  }
}

/** Every row of every table of the database, as text. @param leftOut a column that is not looked at */
async function databaseText(url: string, leftOut = ''): Promise<string> {
  return withClient(url, async (client) => {
    const tables = await client.query<{ name: string }>(
      "select quote_ident(relname) as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
    )
    let text = ''
    for (const { name } of tables.rows) {
      const row = leftOut === '' ? 'x::text' : `(to_jsonb(x) - '${leftOut}')::text`
      const { rows } = await client.query<{ row: string }>(`select ${row} as row from ${name} x`)
      text += `${rows.map(({ row }) => row).join('\n')}\n`
    }
    return text
  })
}

async function schemeFactsOf(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ facts: string }>(
      'select scheme_facts as facts from authorization_journal where scheme_facts is not null',
    )
    return rows.map(({ facts }) => facts).join('\n')
  })
}

/** A card that is used in every way, and the secrets that went over the wire with it. */
class MarkedCard {
  readonly household: WorldHousehold
  readonly #world: World
  readonly #chip: ChipCard
  readonly secrets = new Map<string, string>()

  constructor(world: World) {
    const household = world.households.find((one) => one.id === MARKED)
    if (household === undefined) throw new Error('the world has the marked household')
    this.household = household
    this.#world = world
    this.#chip = new ChipCard(new ChipIssuer(world.keys), household.card, chipVersionOf(household.id))
  }

  place(category: string) {
    const outlet = this.#world.outlets.find(
      (one) => one.category === category && one.governorate === this.household.governorate,
    )
    const terminalId = outlet?.terminals[0] ?? ''
    return { acceptorId: outlet?.acceptorId ?? '', terminalId, mcc: outlet?.mcc ?? '' }
  }

  buy(rail: RailName, pin = this.household.card.pin): Intent {
    const { card } = this.household
    const mti = rail === 'visa' ? '0100' : '0200'
    const ask = { card, terminal: this.place(rail === 'atm' ? 'atm' : 'shop'), amountPiasters: 1_000, from: '20', mti }
    const pad = new ZonePinPad(this.#world.keys.zpk)
    return withChip(transaction(rail === 'atm' ? 'cash' : 'purchase', ask), this.#chip, {
      date: Number(new Date().toISOString().slice(0, 10).replaceAll('-', '')),
      pin: pad.enter(pin, card.pan),
    })
  }

  visit(): Intent {
    const terminal = this.place('health')
    const [keyId = '', key = ''] = Object.entries(this.#world.keys.biometric)[0] ?? []
    const reader = new FingerprintReader(keyId, key, terminal.terminalId, { now: () => Date.now() })
    const ask = { card: this.household.card, terminal, amountPiasters: 500, from: '96' }
    return transaction('purchase', ask, { fingerprint: { reader, person: 'marked', matched: true } })
  }

  /** Remembers what a message carried that nobody may keep. */
  remember(what: string, { fields }: Sent): void {
    const pinBlock = String(fields[52] ?? '')
    if (pinBlock !== '') this.secrets.set(`PIN block of ${what}`, pinBlock)
    const token = /BM104([0-9A-F]{104})/.exec(String(fields[48] ?? ''))?.[1]
    if (token !== undefined) this.secrets.set(`assertion of ${what}`, token)
  }

  rememberChip(what: string, { chip }: Intent): void {
    const cryptogram = chip === undefined ? undefined : berValue(parseBerTlv(chip).list, '9F26')
    if (cryptogram !== undefined) this.secrets.set(`cryptogram of ${what}`, cryptogram.toString('hex'))
  }
}

/** The ways in which a text of digits, or bytes in hex, might have been written down. */
function formsOf(secret: string): string[] {
  const ascii = Buffer.from(secret, 'latin1')
  const isHex = secret.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(secret)
  const bytes = isHex ? Buffer.from(secret, 'hex') : ascii
  return [
    secret,
    secret.toLowerCase(),
    secret.toUpperCase(),
    ascii.toString('hex'),
    encodeEbcdic(secret)?.toString('hex') ?? secret,
    ascii.toString('base64').slice(0, -2),
    bytes.toString('base64').slice(0, -2),
    ...(isHex ? [bytes.toString('latin1')] : []),
  ]
}

test('nothing that is secret is in logs, metrics, printed output, answers of HTTP, files or database', async (t) => {
  const { url } = await createTestDatabase(t)
  const at = new Installation(url)
  t.teardown(() => rmSync(at.folder, { recursive: true, force: true }))
  let { child, ports } = await at.started()
  t.teardown(() => child.kill('SIGKILL'))
  t.equal(await at.finished('demo'), 0, 'the tour passes')
  const world = readWorld(at.folder)
  const marked = new MarkedCard(world)
  const open = (name: RailName) =>
    Counterparty.connect({ rail: rails[name], host: '127.0.0.1', port: ports[rails[name].listener] })

  t.equal(await play(marked, open, 'before'), 'ok')
  await malformed(marked, ports.ascii)
  const pages = await Promise.all(
    [
      '/metrics',
      '/healthz',
      '/readyz',
      `/api/v1/cards/${marked.household.card.pan}`,
      `/?pan=${marked.household.card.pan}`,
    ].map(async (page) => (await fetch(`http://127.0.0.1:${ports.http}${page}`)).text()),
  )

  // It dies with messages under way, and comes back.
  const pos = await open('pos')
  for (let n = 0; n < 30; n++) pos.fire(pos.compose(marked.buy('pos')))
  child.kill('SIGKILL')
  await once(child, 'exit')
  pos.close()
  ;({ child, ports } = await at.started())
  t.equal(await play(marked, open, 'after'), 'ok')
  const { pan } = marked.household.card
  // What was typed comes back masked from the program itself.
  await Promise.all([['explain', pan] as const, ['card', 'show', pan] as const].map((words) => at.finished(...words)))
  at.said.push(...(await said(at.env)))
  child.kill('SIGTERM')
  await once(child, 'exit')

  const outside = [Buffer.concat(at.said).toString('latin1'), ...pages, at.files()]
  const everything = [...outside, await databaseText(url)].join('\n')
  // A cryptogram is of use once. The card scheme's file has it, and so the journal of what was approved over its rail.
  const factsKept = await schemeFactsOf(url)
  t.match(factsKept, /"entryMode":"05"/)
  t.notMatch(factsKept, /"(57|5A|56|99|9F1F|9F20|9F6B|5F20)"/)
  const elsewhere = [...outside, await databaseText(url, 'scheme_facts')].join('\n')
  t.match(everything, /400000\*+\d{4}/, 'masked card numbers are there: the search looks at the right text')
  t.match(everything, /switch_started/)
  t.match(everything, /wrong-pin/, 'and the declines')
  t.ok(marked.secrets.size > 10, 'and there were secrets to find')
  const { card } = marked.household
  const secrets = new Map([
    ...marked.secrets,
    ['PAN', card.pan],
    ['track 2', card.track2],
    ['what follows the expiry on track 2', card.track2.slice(-13)],
    ['track 2 of the chip', card.track2Chip ?? ''],
    ...keysOf(world),
  ])
  const forTheScheme = /^cryptogram of .*, visa, /
  t.ok([...secrets.keys()].some((what) => forTheScheme.test(what)))
  for (const [what, secret] of secrets) {
    const searched = forTheScheme.test(what) ? elsewhere : everything
    t.notOk(
      formsOf(secret).some((form) => searched.includes(form)),
      `${what} is nowhere`,
    )
  }
  const leaked = world.households.filter((one) => everything.includes(one.card.pan))
  t.strictSame(
    leaked.map((one) => one.id),
    [],
    'nor any other card number of the world',
  )
})

/** What commands say, in this process. */
async function said(env: Readonly<Record<string, string | undefined>>): Promise<Buffer[]> {
  const run = commandRunner(env)
  const runs = [
    await run(verifyCommand, []),
    await run(explainCommand, ['no such key']),
    await run(keysCommand, ['list', '--blocks']),
  ]
  return runs.map(({ out, errors }) => Buffer.from(out + errors))
}

function keysOf({ keys }: World): [string, string][] {
  const list: [string, string][] = []
  for (const [name, value] of Object.entries(keys)) {
    if (typeof value !== 'string')
      for (const [id, key] of Object.entries(value)) list.push([`key ${name} ${id}`, String(key)])
    else if (value.length >= 32) list.push([`key ${name}`, value])
  }
  return list
}

/** Approvals, declines, a repeat, a reversal, a forgery, a fingerprint. */
async function play(
  marked: MarkedCard,
  open: (name: RailName) => Promise<Counterparty>,
  when: string,
): Promise<string> {
  const codes: string[] = []
  for (const rail of ['pos', 'atm', 'visa'] as const) {
    const link = await open(rail)
    const ask = async (what: string, intent: Intent) => {
      const sent = link.compose(intent)
      marked.remember(`${what}, ${rail}, ${when}`, sent)
      marked.rememberChip(`${what}, ${rail}, ${when}`, intent)
      codes.push((await link.send(sent)).code)
      return sent
    }
    const bought = await ask('an approval', marked.buy(rail))
    codes.push((await link.send(link.repeatOf(bought))).code)
    await ask('a reversal', reversalOf(bought))
    await ask(
      'a wrong PIN',
      marked.buy(rail, String((Number(marked.household.card.pin) + 1) % 10_000).padStart(4, '0')),
    )
    const right = marked.buy(rail)
    await ask('a changed amount', { ...right, amountPiasters: 999_999_900, terminal: marked.place('atm') })
    await ask('a stripe', {
      ...transaction('inquiry', { card: marked.household.card, terminal: marked.place('shop') }),
      entry: 'stripe',
    })
    await ask('the right PIN', marked.buy(rail))
    if (rail === 'pos') await ask('a fingerprint', marked.visit())
    link.close()
  }
  return codes.includes('00') && codes.includes('55') && !codes.includes('96') ? 'ok' : codes.join(' ')
}

/** Messages that break off behind the card number or the PIN block, one that cannot be framed, one of an unknown card. */
async function malformed({ household }: MarkedCard, port: number): Promise<void> {
  const { pan } = household.card
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const bodies = [
    `02007238000000C0000016${pan}00`,
    `0200723800000000100016${pan}0000000000000010001122100000000001100000112212`,
    `0200F23800000000100016${pan}`,
    `0999723800000000100016${pan}`,
  ]
  for (const body of bodies) socket.write(writeFrame('len2', Buffer.from(body)))
  await once(socket, 'data')
  socket.write(Buffer.from(`\u0000\u0000${pan}`))
  await once(socket, 'close')
}
