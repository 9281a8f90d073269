import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type Test, test } from 'tap'
import { jobCommand } from '../../src/commands/job.ts'
import { transaction } from '../../src/simulator/messages.ts'
import { iban, person } from '../people/people-world.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'
import { printedCard, requirementsWorld } from './requirements-world.ts'

interface Message {
  readonly to: string
  readonly template: string
  readonly text: string
}

const PORT_SAID = 'PTS'
/** Longest wait for what must come. */
const WAIT_MS = 60_000
const arabic = (text: string) => text.replaceAll(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))

test('people, their cards and what they are told', async (t) => {
  const config = { jobs: { enabled: true } }
  const requirements = await requirementsWorld(t, { at: '2026-11-11T12:00:00+02:00', households: 20, config })
  const { world, user, agreed, run, bread, balances } = requirements
  const { clock } = world
  const [clerk, hotline] = [user('enrolment'), user('operator')]
  const at = (instant: string) => {
    clock.nowMs = Date.parse(instant)
  }
  const folder = path.join(world.varDir, 'notifications')
  /** The message by a template to a mobile number, once it has gone out; `about` is a part of its text. */
  const told = async (mobile: string, template: string, about = ''): Promise<string> => {
    for (const deadlineMs = performance.now() + WAIT_MS; performance.now() < deadlineMs; ) {
      const found = messagesIn(folder).findLast(
        (one) => one.to === mobile && one.template === template && one.text.includes(about),
      )
      if (found !== undefined) return found.text
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`no ${template} came`)
  }
  /** A step that has to be carried out. */
  const step = async (t: Test, where: string, body?: object, who = clerk) => {
    const answer = await who.post(where, body)
    t.equal(answer.status, 200, `${where}: ${answer.body.outcome ?? JSON.stringify(answer.body)}`)
    return answer.body
  }
  const place = { kind: 'post', governorate: PORT_SAID, name: 'مكتب بريد رئيسي', address: '1', hours: '08:30-15:00' }
  t.equal((await hotline.post('/collection-places/pts-1', place)).status, 200)
  const enrol = async (t: Test, number: number, members: number) => {
    const others = Array.from({ length: members - 1 }, (_, one) => person(number + one + 1, false))
    const home = { head: person(number), members: others, governorate: PORT_SAID, hasOldRationCard: true }
    const { householdId, orderId } = await step(t, '/households', home)
    const mobile = `+2010${String(number).padStart(8, '0')}`
    return { householdId: Number(householdId), orderId: Number(orderId), mobile }
  }
  const identify = async (t: Test, household: number, number: number) => {
    await step(t, `/households/${household}/account`, { kind: 'new', iban: iban(number) })
    const templateRef = String(number).padStart(16, '0')
    await step(t, `/households/${household}/fingerprint`, { deviceId: '00000000000000d1', templateRef })
  }
  /** Has a card printed for an order, and waiting at the post office. */
  const announce = async (t: Test, order: number, number: number) => {
    const { printed, held } = printedCard(world.world.keys, number)
    await step(t, `/orders/${order}/printed`, printed)
    await step(t, `/orders/${order}/ready`, { placeId: 'pts-1' })
    return held
  }
  const issue = async (t: Test, number: number, members: number) => {
    const home = await enrol(t, number, members)
    await identify(t, home.householdId, number)
    await step(t, `/orders/${home.orderId}/order`, {})
    const card = await announce(t, home.orderId, number)
    await step(t, `/orders/${home.orderId}/collected`, {})
    return { ...home, card }
  }
  const orderOf = async (id: number) => (await clerk.get(`/orders/${id}`)).body

  await t.test('M13: enrolled with national ID, own mobile number, finger and account', async (t) => {
    const wrong = { head: { nationalId: '29013010112345', name: 'Household 1' }, members: [], governorate: 'ZZ' }
    const refused = await clerk.post('/households', { ...wrong, hasOldRationCard: false })
    t.equal(refused.status, 400)
    for (const fault of [/date of birth/, /mobile/, /governorate/]) t.match(refused.body.detail, fault)
    const { householdId, orderId } = await enrol(t, 100, 4)
    t.equal((await clerk.post(`/orders/${orderId}/order`, {})).status, 400, 'not without account and finger')
    await identify(t, householdId, 100)
    const { body } = await clerk.get(`/households/${householdId}/people`)
    t.match(body, {
      members: [{ role: 'head', mobile: /\*\d{3}$/, nationalId: /^\*+\d{4}$/, fingerprints: 1 }, {}, {}, {}],
      account: { kind: 'new', reference: /^EG\*+\d{4}$/ },
    })
    t.equal((await hotline.get(`/households/${householdId}/people`)).status, 403, 'not for everybody to see')
    const again = await clerk.post('/households', {
      head: person(100),
      members: [],
      governorate: PORT_SAID,
      hasOldRationCard: false,
    })
    t.match([again.status, again.body.detail], [400, /member of a household already/])
    t.equal((await orderOf(orderId)).state, 'fingerprint-enrolled')
  })

  await t.test('M14, M20: told, given one month more, cancelled, applied again, collected, drawn with', async (t) => {
    const { householdId, orderId, mobile } = await enrol(t, 200, 3)
    await identify(t, householdId, 200)
    await step(t, `/orders/${orderId}/order`, {})
    const first = await announce(t, orderId, 200)
    t.equal((await bread(first, PORT_SAID, 1)).code, '78', 'it does not work before')
    await step(t, `/orders/${orderId}/extend`, undefined, hotline)
    const notice = await told(mobile, 'collection-notice')
    t.match(notice, place.name)
    t.match(notice, `${arabic('11')} ديسمبر ${arabic('2026')}`, 'a month to collect it')
    t.match(await told(mobile, 'collection-extended'), `${arabic('11')} يناير ${arabic('2027')}`)
    t.match(await hotline.post(`/orders/${orderId}/extend`), { status: 422, body: { detail: /once already/ } })
    t.match(await clerk.post(`/households/${householdId}/orders`), { status: 400, body: { detail: /one at a time/ } })
    t.match(await run(jobCommand, 'run', 'notice-expiry'), /0 issues to be cancelled/)
    at('2027-01-12T12:00:00+02:00')
    t.equal((await clerk.post(`/orders/${orderId}/collected`, {})).status, 422, 'too late')
    t.match(await run(jobCommand, 'run', 'notice-expiry'), /1 issues to be cancelled/)
    t.match(await told(mobile, 'collection-cancelled'), 'تم إلغاء')
    t.equal((await orderOf(orderId)).state, 'cancelled')
    const next = await step(t, `/households/${householdId}/orders`)
    t.match(await orderOf(next.orderId), { state: 'fingerprint-enrolled', reason: 'first', feePiasters: 0 })
    await step(t, `/orders/${next.orderId}/order`, {})
    const card = await announce(t, next.orderId, 201)
    const { outcome } = await step(t, `/orders/${next.orderId}/collected`, {})
    t.match(outcome, /handed out and active/)
    t.equal((await bread(card, PORT_SAID, 15)).code, '00')
    t.not((await bread(first, PORT_SAID, 1)).code, '00', 'the one that nobody collected never works')
    t.match(await clerk.post(`/households/${householdId}/orders`), { status: 400, body: { detail: /replacement/ } })
    t.same(
      (await orderOf(next.orderId)).steps.map(({ state }: { state: string }) => state),
      ['fingerprint-enrolled', 'ordered', 'printed', 'ready', 'collected', 'active'],
    )
  })

  await t.test('M15, M20: one card for the household; its head is told, in Arabic', async (t) => {
    const { householdId, card, mobile } = await issue(t, 300, 4)
    t.equal((await balances(card, PORT_SAID))[92], 5 * 4, 'what the whole family gets')
    const goods = { card, terminal: world.place('grocer', PORT_SAID), from: '91', amountPiasters: 5_000 }
    t.equal((await world.pos.ask(transaction('purchase', goods))).answer.code, '00')
    t.equal(await told(mobile, 'dispense'), 'تم صرف ٥٠ جنيهًا من السلع التموينية. المتبقي هذا الشهر: ١٥٠ جنيهًا.')
    const grant = { householdId, programme: 'grants', amount: 10_000 }
    t.match(await agreed('benefit-grant', grant, { checker: 'settlement' }), /granted for 202701/)
    t.equal(
      await told(mobile, 'entitlement-granted'),
      'تمت إضافة ١٠٠ جنيه إلى الدعم الاستثنائي، صالحة حتى ٣١ يناير ٢٠٢٧.',
    )
    const { members } = (await clerk.get(`/households/${householdId}/people`)).body
    const others = members.filter(({ role }: { role: string }) => role === 'member')
    t.equal(others.length, 3)
    at('2027-01-27T10:00:00+02:00')
    t.match(await run(jobCommand, 'run', 'entitlement-reminder'), /ration: [1-9]\d* households told/)
    const left = await told(mobile, 'entitlement-expiring', 'السلع التموينية')
    t.match(left, `${arabic('150')} جنيه`, 'what is left of the ration')
    t.match(left, `${arabic('31')} يناير ${arabic('2027')}`, 'and until when')
  })

  await t.test('M16, M20: a loss blocks at once; the replacement costs its fee and keeps the wallets', async (t) => {
    const home = await issue(t, 400, 3)
    const { householdId, mobile } = home
    const cardId = (await orderOf(home.orderId)).cardId
    const cashier = { card: home.card, terminal: world.place('atm', PORT_SAID), amountPiasters: 50_000 }
    t.equal((await world.atm.ask(transaction('deposit', { ...cashier, to: '20' }))).answer.code, '00')
    t.equal((await bread(home.card, PORT_SAID, 4)).code, '00')
    const before = await balances(home.card, PORT_SAID)
    t.equal(
      (await clerk.post(`/cards/${cardId}/replace`, { reason: 'loss', pay: 'postal' })).status,
      422,
      'report it first',
    )
    await step(t, `/cards/${cardId}/report`, { kind: 'loss', reason: 'call to 15999' }, hotline)
    t.equal((await bread(home.card, PORT_SAID, 1)).code, '41', 'at the very next message')
    t.match(await told(mobile, 'card-blocked'), 'تم إيقاف')
    const asked = { reason: 'loss', pay: 'postal', placeId: 'pts-1' }
    const { orderId } = await step(t, `/cards/${cardId}/replace`, asked)
    const order = await orderOf(orderId)
    t.match(order, { reason: 'loss', feePiasters: 30_000, feePaid: 'postal', openedOn: '2027-01-27' })
    t.equal(order.dueOn, '2027-02-10', 'ten working days, Friday and Saturday are none')
    const card = await announce(t, orderId, 401)
    await step(t, `/orders/${orderId}/collected`, {})
    const after = await balances(card, PORT_SAID)
    t.same(after, { ...before, 20: (before[20] ?? 0) - 30_000 }, 'all wallets as they were, less the fee')
    t.equal((await bread(home.card, PORT_SAID, 1)).code, '41')
    t.equal((await bread(card, PORT_SAID, 11)).code, '00')
    t.match((await clerk.get(`/households/${householdId}`)).body, { cards: [{ status: 'lost' }, { status: 'active' }] })
  })

  await t.test('M18: a file of the ministry counts from the next day and month, and once', async (t) => {
    const [grown, shrunk, stopped] = [world.household(), world.household({ members: 4 }), world.household()]
    const born = person(500, false).nationalId
    const rows = [
      `${grown.id},added,${born},,${person(500).name},2027-01-27,birth,`,
      `${shrunk.id},removed,${person(501).nationalId},,,2027-01-27,death,registry`,
      `${stopped.id},suspended,,,,2027-01-27,income,cleansing`,
      `${grown.id},added,${born.slice(1)},,,2027-01-27,birth,`,
      `99999999,suspended,,,,2027-01-27,income,`,
    ]
    const header = 'household,event,nationalId,memberKey,name,effective,reasonCode,reason'
    const file = [header, ...rows, 'TOTAL,5,2,1,0,2,0', ''].join('\n')
    const sha256 = createHash('sha256').update(file).digest('hex')
    const checked = await clerk.upload('/membership-files/check?format=csv', file)
    t.match(checked, { status: 200, body: { sha256, lines: 5, done: 3, rejected: 2 } })
    t.equal((await clerk.upload('/membership-files?format=csv', file)).status, 409, 'a second person has to agree')
    const wish = { kind: 'membership-file', payload: { sha256 }, reason: 'of the ministry' }
    const change = (await clerk.post('/change-requests', wish)).body.changeId
    t.equal((await clerk.post(`/change-requests/${change}/approve`, {})).status, 403)
    t.equal((await user('enrolment-2').post(`/change-requests/${change}/approve`, {})).status, 200)
    const apply = () => clerk.upload(`/membership-files?format=csv&change=${change}`, file)
    const { body } = await apply()
    t.match(body, { done: 3, rejected: 2, wasApplied: false, events: { added: 1, removed: 1, suspended: 1 } })
    t.same(
      [...new Set(body.rejections.map(({ line }: { line: number }) => line))],
      [5, 6],
      'what was not taken, and why',
    )
    t.match((await apply()).body, { wasApplied: true, done: 3 })
    const left = async ({ card, governorate }: typeof grown) => balances(card, governorate)
    t.equal((await left(grown))[92], 5 * grown.members, 'today as before')
    const ration = (await left(grown))[91]
    at('2027-01-28T10:00:00+02:00')
    t.equal((await left(grown))[92], 5 * (grown.members + 1), 'bread from the next day')
    t.equal((await left(grown))[91], ration, 'the month stays what it was')
    t.equal((await left(shrunk))[92], 5 * 3)
    t.equal((await bread(stopped.card, stopped.governorate, 1)).code, '57', 'suspended')
    at('2027-02-01T10:00:00+02:00')
    t.equal((await left(grown))[91], (ration ?? 0) + (grown.members < 4 ? 5_000 : 2_500), 'ration from the next month')
    const { events } = (await user('auditor').get(`/households/${stopped.id}/people`)).body
    t.match(events[0], { event: 'suspended', reasonCode: 'income', reason: 'cleansing', actor: 'user:enrolment' })
  })

  await t.test('M23: a telephone draws on the same wallets until it is removed', async (t) => {
    const { householdId, card, mobile } = await issue(t, 600, 2)
    const { printed, held } = printedCard(world.world.keys, 601)
    await step(t, `/households/${householdId}/devices`, { device: 'wallet-600', token: printed })
    t.ok(await told(mobile, 'device-added'))
    t.equal((await bread(held, PORT_SAID, 6)).code, '00')
    t.equal((await balances(card, PORT_SAID))[92], 4, 'of the wallet that the card draws on')
    t.equal((await bread(card, PORT_SAID, 5)).code, '51')
    const { devices } = (await clerk.get(`/households/${householdId}/people`)).body
    await step(t, `/cards/${devices[0].cardId}/remove-device`, { reason: 'sold' }, hotline)
    t.not((await bread(held, PORT_SAID, 1)).code, '00')
    t.equal((await bread(card, PORT_SAID, 4)).code, '00')
  })

  await t.test('a fee that was taken is paid back once, when a second person agrees', async (t) => {
    const { householdId, card, orderId } = await issue(t, 700, 1)
    const cardId = (await orderOf(orderId)).cardId
    await step(t, `/cards/${cardId}/report`, { kind: 'damage', reason: 'torn' }, hotline)
    const { orderId: replacement } = await step(t, `/cards/${cardId}/replace`, {
      reason: 'damage',
      pay: 'cash',
      counter: 1,
    })
    const next = await announce(t, replacement, 701)
    await step(t, `/orders/${replacement}/collected`, {})
    const before = (await balances(next, PORT_SAID))[20] ?? 0
    const wish = { householdId, orderId: replacement }
    t.match(await agreed('fee-refund', { ...wish, orderId }, { checker: 'settlement' }), /no fee was taken/)
    t.match(await agreed('fee-refund', wish, { checker: 'settlement' }), /is paid back/)
    t.equal((await balances(next, PORT_SAID))[20], before + 30_000)
    t.equal((await orderOf(replacement)).feePaid, 'refunded')
    t.match(await agreed('fee-refund', wish, { checker: 'settlement' }), /was paid back already/)
    t.equal((await bread(card, PORT_SAID, 1)).code, '62', 'the torn card stays stopped')
  })

  await t.test(
    'M9, M20: where a programme asks for it, a code from the telephone or an exception verifies who buys its goods',
    async (t) => {
      const { householdId, card, mobile } = await issue(t, 800, 2)
      const ration = (await user('operator').get('/programmes/ration')).body
      const verification = { accept: ['fingerprint', 'pin', 'otp', 'exception'], required: true }
      const effectiveFrom = '2027-02-01'
      const version = { ...ration.content, version: ration.version + 1, effectiveFrom, verification }
      t.equal((await hotline.post('/programmes/ration/draft', { content: version })).status, 200)
      const asked = await hotline.post(`/programmes/ration/versions/${version.version}/submit`, { reason: 'decided' })
      const approved = await user('operator-2').post(`/change-requests/${asked.body.changeId}/approve`, {})
      t.match(approved.body, { state: 'approved' })
      const terminal = world.place('grocer', PORT_SAID)
      const buy = async (code?: string) => {
        const elements = code === undefined ? [] : [{ tag: 'OT', value: code }]
        const goods = { card, terminal, from: '91', amountPiasters: 1_000 }
        return (await world.pos.ask(transaction('purchase', goods, { elements }))).answer.code
      }
      t.equal(await buy(), '86', 'nobody is verified')
      const wants = { elements: [{ tag: 'OT', value: 'SEND' }] }
      t.equal((await world.pos.ask(transaction('inquiry', { card, terminal }, wants))).answer.code, '00')
      const text = await told(mobile, 'one-time-code')
      const code = /\d{6}/.exec(text)?.[0] ?? ''
      t.match(text, 'رمز التحقق لبطاقتكم الموحدة')
      t.equal(await buy(code === '000000' ? '000001' : '000000'), '55', 'a wrong one')
      t.equal(await buy(code), '00')
      t.equal(await buy(code), '86', 'good once')
      await step(t, `/households/${householdId}/one-time-code`, undefined, hotline)
      let second = text
      for (const deadlineMs = performance.now() + WAIT_MS; second === text && performance.now() < deadlineMs; ) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        second = await told(mobile, 'one-time-code')
      }
      t.equal(await buy(/\d{6}/.exec(second)?.[0]), '00', 'one that the hotline had sent')
      const from = '2027-02-01'
      const wish = { householdId, programme: 'ration', from, until: '2027-02-28' }
      t.match(await agreed('verification-exception', wish), /ration from 20270201 to 20270228/)
      t.match(await told(mobile, 'exception-given'), 'بدون بصمة')
      t.equal(await buy(), '00', 'by the exception')
      const { items } = (await clerk.get(`/households/${householdId}/exceptions`)).body
      t.match(items, [{ from, until: '2027-02-28', endedAt: null }])
      await step(
        t,
        `/households/${householdId}/exceptions/${items[0].exceptionId}/end`,
        { reason: 'has a finger' },
        hotline,
      )
      t.equal(await buy(), '86')
      await world.restart()
      t.equal(await buy(), '86', 'and after a restart')
    },
  )

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})

function messagesIn(folder: string): Message[] {
  try {
    return readdirSync(folder)
      .sort()
      .flatMap((file) => readFileSync(path.join(folder, file), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Message)
  } catch {
    return []
  }
}
