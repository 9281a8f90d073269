import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Dialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { checkValueIn, neutralFields, neutralKeyFields } from '../../src/link/key-exchange.ts'
import { ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import { masterKeyOf } from '../../src/security/master-key.ts'
import { setOddParity, tdesKcv } from '../../src/security/primitives/key-checks.ts'
import type { Counterparty } from '../../src/simulator/counterparty.ts'
import { ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { KeyService, openKeys } from '../../src/switch-keys.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { Cardholder } from '../support/cardholder.ts'
import { MASTER_KEY, startTestSwitch, type TestSwitch } from '../support/switch.ts'

const KEY_EXCHANGE = '101'
/** How long a zone key that another follows is still accepted; and less than half of what messages have time for. */
const OVERLAP_MS = 120_000
const STEP_MS = 20_000
const WAIT_MS = 60_000

/** Waits until something is so. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadlineMs = performance.now() + WAIT_MS; !(await holds()); ) {
    if (performance.now() > deadlineMs) throw new Error('it did not become so in time')
    await sleep(5)
  }
}

function zoneKey(text: string): Buffer {
  const key = createHash('sha256').update(text).digest().subarray(0, 16)
  setOddParity(key)
  return key
}

/** A zone key as a peer sends it: in a block under the link's key-encryption key. */
function blockOf(on: TestSwitch, key: Buffer, usage: 'P0' | 'M3' = 'P0', modeOfUse: 'B' | 'C' | 'E' = 'B'): string {
  const protection = new ProtectionKey('D', Buffer.from(on.world.keys.kek, 'hex'))
  const header = { version: 'D', usage, algorithm: 'T', modeOfUse, keyVersion: '00', exportability: 'N' } as const
  return wrapKeyBlock(protection, { ...header, keyContext: '0', optionalBlocks: [] }, key)
}

function dialectOf(link: Counterparty): Dialect {
  const dialect = dialects[link.rail.dialect]
  if (dialect === undefined) throw new Error('a rail has a dialect')
  return dialect
}

const send = (link: Counterparty, block: string, kind: 'zpk' | 'mak' = 'zpk') =>
  link.network(KEY_EXCHANGE, neutralFields(dialectOf(link), neutralKeyFields(kind, block)))

async function versionsOf(on: TestSwitch, name: string): Promise<string[]> {
  const { rows } = await on.client.query<{ version: number; status: string; ends: boolean }>(
    'select version, status, valid_to is not null as ends from security_key where name = $1 order by version',
    [name],
  )
  return rows.map(({ version, status, ends }) => `${version} ${status}${ends ? ' ends' : ''}`)
}

t.test('a peer sends its next zone key over the link', async (t) => {
  const on = await startTestSwitch(t)

  for (const rail of ['pos', 'atm', 'visa'] as const) {
    t.test(rail, async (t) => {
      const link = on[rail]
      const name = `zpk:${link.rail.listener}`
      const next = zoneKey(`next of ${rail}`)
      const block = blockOf(on, next)
      const answer = await send(link, block)
      t.equal(answer.code, '00')
      t.equal(checkValueIn(answer.message), tdesKcv(next).toString('hex').toUpperCase(), 'its check value comes back')
      t.strictSame(await versionsOf(on, name), ['1 active', '2 active'])
      const repeat = await send(link, block)
      t.equal(checkValueIn(repeat.message), checkValueIn(answer.message))
      t.strictSame(await versionsOf(on, name), ['1 active', '2 active'], 'the same block again is no other key')

      const holder = new Cardholder(on)
      t.equal((await holder.ask(rail)).answer.code, '00', 'the old key still opens blocks')
      t.strictSame(await versionsOf(on, name), ['1 active', '2 active'], 'which confirms nothing')
      holder.use(new ZonePinPad(next.toString('hex')))
      t.equal((await holder.ask(rail)).answer.code, '00', 'and the new one too')
      await until(async () => (await versionsOf(on, name)).includes('1 active ends'))
      t.strictSame(
        await versionsOf(on, name),
        ['1 active ends', '2 active'],
        'the first block under it ends the old one',
      )
      holder.use(new ZonePinPad(on.world.keys.zpk))
      t.equal((await holder.ask(rail)).answer.code, '00', 'after a time for what is under way')
      on.clock.advance(121_000)
      // The switch loads what it saved a moment after the database has it.
      await until(async () => (await holder.ask(rail)).answer.code === '86')
      const { rows } = await on.client.query('select from key_event where name = $1 and actor = $2', [
        name,
        `link ${link.rail.listener}`,
      ])
      t.equal(rows.length, 1, 'who sent it is in the audit')
    })
  }

  t.test('an old block brings no old key back', async (t) => {
    const [first, second] = [blockOf(on, zoneKey('given up')), blockOf(on, zoneKey('its successor'))]
    t.equal((await send(on.pos, first)).code, '00')
    await on.client.query("update security_key set status = 'revoked' where name = 'zpk:ascii' and version = 3")
    t.equal((await send(on.pos, second)).code, '00')
    const before = await versionsOf(on, 'zpk:ascii')
    t.equal((await send(on.pos, first)).code, '63', 'a revoked one')
    t.equal((await send(on.pos, blockOf(on, Buffer.from(on.world.keys.zpk, 'hex')))).code, '63', 'one that has ended')
    t.strictSame(await versionsOf(on, 'zpk:ascii'), before)
  })

  t.test('what is not a zone key of this link is refused', async (t) => {
    const before = await versionsOf(on, 'zpk:ascii')
    const key = zoneKey('another')
    const block = blockOf(on, key)
    const last = block.at(-1) === '0' ? '1' : '0'
    const cases: Record<string, string> = {
      'a changed block': `${block.slice(0, -1)}${last}`,
      'a cut block': block.slice(0, -2),
      'a MAC key for a PIN key': blockOf(on, key, 'M3', 'C'),
      'a PIN key that may not decrypt': blockOf(on, key, 'P0', 'E'),
      'a weak key': blockOf(on, Buffer.alloc(16, 1)),
      'no block': 'nonsense',
    }
    for (const [what, bad] of Object.entries(cases)) t.equal((await send(on.pos, bad)).code, '63', what)
    t.equal((await on.pos.network(KEY_EXCHANGE)).code, '30', 'nothing at all')
    t.strictSame(await versionsOf(on, 'zpk:ascii'), before)
  })

  t.test('the log says why a key was refused, and holds nothing of it', async (t) => {
    const lines: string[] = []
    const log = createLogger({ destination: { write: (line) => lines.push(line) } })
    const masterKey = masterKeyOf(Buffer.from(MASTER_KEY, 'hex'), 'test')
    const keys = await openKeys({ url: on.databaseUrl, masterKey, clock: on.clock })
    const service = new KeyService(on.databaseUrl, keys, on.clock, log)
    t.teardown(() => service.close())
    const block = blockOf(on, zoneKey('a MAC key'), 'M3', 'C')
    for (let n = 0; n < 3; n++) await t.rejects(service.takeZoneKey('ascii', 'zpk', block))
    t.equal(lines.length, 1, 'once a second')
    t.match(JSON.parse(lines[0] ?? ''), { event: 'zone_key_refused', name: 'zpk:ascii', reason: /usage M3/ })
    t.notMatch(lines[0] ?? '', block.slice(16))
  })
})

t.test('zone keys rotate under load, and no authorization fails', async (t) => {
  const on = await startTestSwitch(t, { config: { lanes: { timeBudgetMs: 60_000, queueMs: 60_000 } } })
  const holders = Array.from({ length: 24 }, () => new Cardholder(on))
  const codes = new Map<string, number>()
  let asked = 0
  let current = on.world.keys.zpk
  let running = true
  /** When each message under way was sent, by the clock of the test. */
  const sentMs = new Map<Cardholder, number>()
  const shop = async (holder: Cardholder) => {
    while (running) {
      // A terminal takes a new key when it is told, in the middle of its work.
      holder.use(new ZonePinPad(current))
      sentMs.set(holder, on.clock.now())
      const { answer } = await holder.ask('pos')
      sentMs.delete(holder)
      codes.set(answer.code, (codes.get(answer.code) ?? 0) + 1)
      asked += 1
    }
  }
  const shops = holders.map(shop)
  const ROTATIONS = 5
  for (let n = 1; n <= ROTATIONS; n++) {
    const next = zoneKey(`rotation ${n}`)
    const reached = asked + 100
    t.equal((await send(on.pos, blockOf(on, next))).code, '00', `rotation ${n}`)
    current = next.toString('hex')
    await until(async () => asked >= reached && (await versionsOf(on, 'zpk:ascii')).includes(`${n} active ends`))
    // The overlap passes, in steps that leave the messages under way in their time: only the new key is accepted then.
    for (let passedMs = 0; passedMs <= OVERLAP_MS; passedMs += STEP_MS) {
      await until(async () => [...sentMs.values()].every((atMs) => atMs === on.clock.now()))
      on.clock.advance(STEP_MS)
    }
  }
  running = false
  await Promise.all(shops)
  t.strictSame([...codes.keys()], ['00'], `${asked} authorizations`)
  t.ok(asked >= ROTATIONS * 100)
  t.strictSame((await versionsOf(on, 'zpk:ascii')).at(-1), `${ROTATIONS + 1} active`)
})
