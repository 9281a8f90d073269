import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { elementValue, formatDataset, formatElements48, parseDataset, parseElements48 } from '../../src/iso8583/tlv.ts'
import { checkValueIn, neutralFields, neutralKeyFields, type OnKeyExchange } from '../../src/link/key-exchange.ts'
import { type Conversation, converse, dialectOf, dialogue, management } from './exchange-harness.ts'
import { macOf, sealed, TestMacModule } from './mac-module.ts'

const KEY = '0123456789abcdeffedcba9876543210'
const BLOCK = `D0112P0TB00E0000${'8A'.repeat(48)}`
const OTHER_BLOCK = `D0112P0TB00E0000${'9B'.repeat(48)}`

/** What the composition root does, for tests: keeps what it is given. */
class KeyStore {
  readonly taken: string[] = []
  failure: unknown
  /** Holds the next answers back until {@link release}. */
  held: (() => void)[] | undefined

  readonly take: OnKeyExchange = async (link, kind, block) => {
    this.taken.push(`${link} ${kind} ${block}`)
    if (this.held !== undefined) await new Promise<void>((resolve) => this.held?.push(resolve))
    if (this.failure !== undefined) throw this.failure
    return { responseCode: '00', checkValue: kind === 'zpk' ? 'A1B2C3' : 'D4E5F6' }
  }

  release(): void {
    const held = this.held ?? []
    this.held = undefined
    for (const resolve of held) resolve()
  }
}

function exchanged(link: Conversation, kind: string, block: string, stan = '000001'): FieldValues {
  return management('101', { 11: stan, ...neutralFields(link.dialect, neutralKeyFields(kind as 'zpk', block)) })
}

async function askKey(link: Conversation, kind: string, block: string): Promise<Message> {
  return link.ask('0800', exchanged(link, kind, block))
}

for (const name of ['iso87-ascii', 'iso87-bcd', 'visa-base1']) {
  t.test(`${name}: a key block is handed on and its check value answered`, async (t) => {
    const store = new KeyStore()
    const link = await converse(t, dialogue(name, undefined, { onKeyExchange: store.take }))
    const answer = await askKey(link, 'zpk', BLOCK)
    t.strictSame([answer.mti, answer.text(39), answer.text(70)], ['0810', '00', '101'])
    const elements =
      name === 'visa-base1'
        ? parseDataset(answer.bytes(104) ?? Buffer.alloc(0)).elements
        : parseElements48(answer.text(48) ?? '').elements
    t.strictSame(elements, [{ tag: 'KC', value: 'A1B2C3' }])
    t.equal(checkValueIn(answer), 'A1B2C3')
    t.strictSame(store.taken, [`test zpk ${BLOCK}`])
    t.equal(checkValueIn(await askKey(link, 'mak', BLOCK)), 'D4E5F6', 'the same bytes as another kind are another key')
    t.equal(store.taken.length, 2)
  })
}

t.test('the wire: element KN says which key, KB holds its block', async (t) => {
  const domestic = neutralFields(dialectOf('iso87-ascii'), neutralKeyFields('zpk', 'D0016'))
  t.strictSame(domestic, { 48: 'KN003zpkKB005D0016', 70: '101' })
  const scheme = neutralFields(dialectOf('visa-base1'), neutralKeyFields('mak', 'D0016'))
  // Dataset 71, 14 bytes: KN 3 mak, KB 5 D0016, in EBCDIC.
  t.strictSame(scheme, { 70: '101', 104: '71000ed2d503948192d2c205c4f0f0f1f6' })
})

t.test('a block that comes again is answered again, and not taken again', async (t) => {
  const store = new KeyStore()
  const link = await converse(t, dialogue('iso87-ascii', undefined, { onKeyExchange: store.take }))
  store.held = []
  link.send(...['000001', '000002'].map((stan) => link.dialect.encode('0800', exchanged(link, 'zpk', BLOCK, stan))))
  t.equal((await link.ask('0800', management('301', { 11: '000003' }))).text(11), '000003', 'others do not wait')
  store.release()
  const answers = [await link.next(), await link.next()]
  t.strictSame(
    answers.map((answer) => [answer.text(11), answer.text(39), checkValueIn(answer)]),
    [
      ['000001', '00', 'A1B2C3'],
      ['000002', '00', 'A1B2C3'],
    ],
  )
  t.equal(checkValueIn(await askKey(link, 'zpk', BLOCK)), 'A1B2C3')
  t.equal(store.taken.length, 1)

  t.equal((await askKey(link, 'zpk', OTHER_BLOCK)).text(39), '00')
  t.equal((await askKey(link, 'zpk', BLOCK)).text(39), '00', 'an older block is for the store to judge')
  t.equal(store.taken.length, 3)
})

t.test('one exchange of a kind at a time', async (t) => {
  const store = new KeyStore()
  const link = await converse(t, dialogue('iso87-ascii', undefined, { onKeyExchange: store.take }))
  store.held = []
  link.send(link.dialect.encode('0800', exchanged(link, 'zpk', BLOCK, '000001')))
  const second = await link.ask('0800', exchanged(link, 'zpk', OTHER_BLOCK, '000002'))
  t.strictSame([second.text(11), second.text(39)], ['000002', '91'])
  store.release()
  t.equal((await link.next()).text(11), '000001')
  t.equal((await askKey(link, 'zpk', OTHER_BLOCK)).text(39), '00')
  t.equal(store.taken.length, 2)
})

t.test('what is refused: 30, 63, 96, and 12 where nobody takes keys', async (t) => {
  const store = new KeyStore()
  const link = await converse(t, dialogue('iso87-ascii', undefined, { onKeyExchange: store.take }))
  for (const elements of [
    '',
    'KN003zpk',
    `KB112${BLOCK}`,
    `KN003pvkKB112${BLOCK}`,
    `KN003zpkKB999${BLOCK}`,
    'KN003zpkKB000',
  ]) {
    const answer = await link.ask('0800', management('101', elements === '' ? {} : { 48: elements }))
    t.equal(answer.text(39), '30', elements.slice(0, 12))
    t.equal(answer.has(48), false)
  }
  t.equal(store.taken.length, 0)
  for (const [failure, code] of [
    [new MizanError('CRYPTO_REFUSED', 'the MAC of the key block is wrong'), '63'],
    [new MizanError('BAD_INPUT', 'the header is malformed'), '63'],
    [new MizanError('STORE_UNAVAILABLE'), '96'],
    [new Error('a bug'), '96'],
  ] as const) {
    store.failure = failure
    const answer = await askKey(link, 'zpk', BLOCK)
    t.strictSame([answer.text(39), answer.has(48)], [code, false])
  }
  store.failure = undefined
  t.equal((await askKey(link, 'zpk', BLOCK)).text(39), '00', 'a block that was refused may be sent again')

  const deaf = await converse(t, dialogue('iso87-ascii'))
  t.equal((await askKey(deaf, 'zpk', BLOCK)).text(39), '12')
})

t.test('the first MAC key comes without a MAC, the next one needs one', async (t) => {
  const module = new TestMacModule()
  const store = new KeyStore()
  const link = await converse(t, dialogue('iso87-ascii', module, { onKeyExchange: store.take }))
  const first = await askKey(link, 'mak', BLOCK)
  t.strictSame([first.text(39), checkValueIn(first), first.has(128)], ['00', 'D4E5F6', false])
  module.keys.set('mak:test', [KEY])
  t.equal((await askKey(link, 'mak', OTHER_BLOCK)).text(39), '63')
  t.equal(store.taken.length, 1, 'a replayed key is not taken')
  link.send(sealed(link.dialect, '0800', exchanged(link, 'mak', OTHER_BLOCK), KEY, 128))
  const next = await link.next()
  t.strictSame([next.text(39), checkValueIn(next)], ['00', 'D4E5F6'])
  const covered = next.buffer.subarray(next.start, next.fieldStart(128))
  t.strictSame(next.bytes(128), macOf(KEY, covered))
})

t.test('elements beside those of the key are kept out of it', async (t) => {
  const store = new KeyStore()
  const ascii = await converse(t, dialogue('iso87-ascii', undefined, { onKeyExchange: store.take }))
  const elements = [
    { tag: 'ZZ', value: 'unknown' },
    { tag: 'KB', value: BLOCK },
    { tag: 'KN', value: 'ZPK' },
  ]
  t.equal((await ascii.ask('0800', management('101', { 48: formatElements48(elements) }))).text(39), '00')
  const visa = await converse(t, dialogue('visa-base1', undefined, { onKeyExchange: store.take }))
  const datasets = formatDataset(elements, [{ id: 0x56, value: Buffer.from('0102', 'hex') }])
  t.equal((await visa.ask('0800', management('101', { 104: datasets.toString('hex') }))).text(39), '00')
  t.strictSame(store.taken, [`test zpk ${BLOCK}`, `test zpk ${BLOCK}`])
  t.equal(elementValue(elements, 'KB'), BLOCK)
})
