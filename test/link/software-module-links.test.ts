import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { OnKeyExchange } from '../../src/link/key-exchange.ts'
import { checkValueIn, neutralKeyFields } from '../../src/link/key-exchange.ts'
import { MessageMac } from '../../src/link/message-mac.ts'
import { startNetworkLink } from '../../src/link/network-link.ts'
import { ProtectionKey } from '../../src/security/key-blocks/derive.ts'
import { wrapKeyBlock } from '../../src/security/key-blocks/wrap.ts'
import type { KeyRecord } from '../../src/security/keys/key-record.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { setOddParity } from '../../src/security/primitives/key-checks.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { bytesOf, keyRecordOf } from '../support/pan-keys.ts'
import { converse, dialectOf, dialogue, purchase } from './exchange-harness.ts'
import { macOf, sealed } from './mac-module.ts'

const NOW_MS = Date.UTC(2026, 10, 21)
const KEK = bytesOf('kek')

function tdes(text: string): Buffer {
  const key = Buffer.from(bytesOf(text).subarray(0, 16))
  setOddParity(key)
  return key
}

/** The keys of one end of a link, in the program's own module. */
class End {
  readonly ring: KeyRing
  readonly module: SoftwareModule
  records: KeyRecord[] = []

  constructor(name: string) {
    this.ring = new KeyRing(bytesOf(name))
    this.module = new SoftwareModule(this.ring, () => NOW_MS)
  }

  add(...records: KeyRecord[]): void {
    this.records = [...this.records, ...records]
    this.ring.load(this.records)
  }

  /** What the composition root does with a key that a peer sends, in memory. */
  readonly take: OnKeyExchange = async (link, kind, block) => {
    const expected = { usage: kind === 'mak' ? 'M3' : 'P0' } as const
    const key = this.module.importKeyBlock(block, `kek:${link}`, expected)
    const name = `${kind}:${link}`
    const version = this.records.filter((record) => record.name === name).length + 1
    this.add({ ...key, name, version, status: 'active', validFromMs: 0, validToMs: undefined })
    return { responseCode: '00', checkValue: key.checkValue }
  }
}

/** A block under the key-encryption key of the link, as a peer sends it. */
function blockOf(key: Uint8Array, usage: 'M3' | 'P0', under = KEK): string {
  const header = { version: 'D', usage, algorithm: 'T', keyVersion: '00', exportability: 'N', keyContext: '0' } as const
  const modeOfUse = usage === 'M3' ? 'C' : 'B'
  return wrapKeyBlock(new ProtectionKey('D', under), { ...header, modeOfUse, optionalBlocks: [] }, key)
}

t.test('a MAC key is replaced between two ends, with messages on the way', async (t) => {
  const [old, next] = [tdes('mak 1'), tdes('mak 2')]
  const ours = new End('ours')
  ours.add(keyRecordOf(ours.ring, 'kek:test', KEK), keyRecordOf(ours.ring, 'mak:test', old))
  const theirs = new End('theirs')
  theirs.add(keyRecordOf(theirs.ring, 'kek:test', KEK), keyRecordOf(theirs.ring, 'mak:test', old))
  const peer = await converse(t, dialogue('iso87-ascii', theirs.module, { onKeyExchange: theirs.take }))

  const dialect = dialectOf('iso87-ascii')
  const { exchange } = dialogue('iso87-ascii', ours.module)
  const link = startNetworkLink({
    client: {
      name: 'test',
      host: '127.0.0.1',
      port: peer.listener.port,
      framing: 'len2',
      maxFrameBytes: 4_096,
      maxOutboundBytes: 65_536,
      maxInFlight: 16,
      connectTimeoutMs: 5_000,
      backoff: { initialMs: 20, maxMs: 50, jitter: 0 },
    },
    dialect,
    exchange,
    mac: new MessageMac(dialect, ours.module, 'test'),
    signOn: true,
    timeoutMs: 5_000,
    observer: {},
    now: () => NOW_MS,
  })
  t.teardown(() => link.close())
  await link.whenUp()

  const answered = async (key: Uint8Array) => {
    peer.send(sealed(dialect, '0100', purchase(), Buffer.from(key).toString('hex')))
    return peer.next()
  }
  t.equal((await answered(old)).text(39), '00')
  t.equal((await answered(next)).text(39), '63')

  const pending = keyRecordOf(ours.ring, 'mak:test', next, { version: 2, status: 'pending' })
  ours.add(pending)
  // As announced: what comes in may be under it, and nothing is made with it.
  const isOld = (mac: Uint8Array, data: Uint8Array) => macOf(old.toString('hex'), data).equals(mac)
  ours.records = ours.records.map((key) => (key === pending ? { ...key, status: 'active', announced: true } : key))
  ours.ring.load(ours.records)
  t.ok(isOld(ours.module.generateMac('mak:test', Buffer.from('data')), Buffer.from('data')))
  let stan = 500_000
  const exchangeKey = (kind: 'mak' | 'zpk', block: string) => {
    const fields = { 7: '1111100000', 11: String(++stan), ...neutralKeyFields(kind, block) }
    return link.ask({ mti: '0800', fields }, 5_000)
  }
  const outcome = await exchangeKey('mak', blockOf(next, 'M3'))
  t.strictSame([outcome.text(39), checkValueIn(outcome)], ['00', pending.checkValue])
  for (const key of [old, next]) {
    const answer = await answered(key)
    t.equal(answer.text(39), '00', 'both are accepted until the new one is confirmed')
    const covered = answer.buffer.subarray(answer.start, answer.fieldStart(64))
    t.strictSame(answer.bytes(64), macOf(next.toString('hex'), covered), 'answers are under the newest')
  }
  ours.records = ours.records.map((record) => (record.version === 2 ? { ...record, announced: false } : record))
  ours.ring.load(ours.records)
  const zpk = tdes('zpk')
  t.equal((await exchangeKey('zpk', blockOf(zpk, 'P0'))).text(39), '00', 'both ends are on the new key')

  theirs.records = theirs.records.filter(({ name, version }) => name !== 'mak:test' || version === 2)
  theirs.ring.load(theirs.records)
  t.equal((await answered(old)).text(39), '63', 'the old one is retired')
  t.equal((await answered(next)).text(39), '00')
})

t.test('what the module refuses is answered 63, and a first MAC key needs no MAC', async (t) => {
  const end = new End('end')
  end.add(keyRecordOf(end.ring, 'kek:test', KEK))
  const link = await converse(t, dialogue('iso87-ascii', end.module, { onKeyExchange: end.take }))
  const send = async (kind: 'mak' | 'zpk', block: string) => {
    const element = `KN003${kind}KB${String(block.length).padStart(3, '0')}${block}`
    const fields: (string | undefined)[] = []
    for (const [de, value] of Object.entries({ 7: '1111100000', 11: '000001', 48: element, 70: '101' })) {
      fields[Number(de)] = value
    }
    return link.ask('0800', fields)
  }
  const mak = tdes('mak')
  const block = blockOf(mak, 'M3')
  for (const bad of [
    blockOf(mak, 'M3', bytesOf('another kek')),
    blockOf(mak, 'P0'),
    block.slice(0, -2),
    `${block.slice(0, 16)}${block[16] === '0' ? '1' : '0'}${block.slice(17)}`,
    block.replace('M3', 'M1'),
    'nonsense',
  ]) {
    t.equal((await send('mak', bad)).text(39), '63')
  }
  t.equal(end.records.length, 1)
  t.equal((await send('mak', block)).text(39), '00')
  link.send(sealed(link.dialect, '0100', purchase(), mak.toString('hex')))
  t.equal((await link.next()).text(39), '00')
  t.equal((await send('mak', blockOf(tdes('next'), 'M3'))).text(39), '63', 'the next one needs a MAC')
  t.throws(() => end.module.generateMac('mak:other', mak), MizanError)
})
