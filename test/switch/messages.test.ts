import type { Test } from 'tap'
import { test } from 'tap'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, parseVisaHeader } from '../../src/iso8583/visa-header.ts'
import { writeFrame } from '../../src/link/framing.ts'
import { encodeTpdu } from '../../src/link/tpdu.ts'
import type { Counterparty, Sent } from '../../src/simulator/counterparty.ts'
import { type Intent, transaction } from '../../src/simulator/messages.ts'
import { type Rail, rails } from '../../src/simulator/rails.ts'
import { connectPeer, type Peer } from '../link/harness.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { startTestSwitch, type TestSwitch } from '../support/switch.ts'
import { parseTpdu } from '../support/tpdu.ts'

type RailName = keyof typeof rails
const railNames = Object.keys(rails) as RailName[]
const tpdu = { id: 0x60, destination: 0x1122, source: 0x3344 }
/** Every part of the header that is not the length differs from what a header of our own would hold. */
const header = {
  ...newVisaHeader('123456', '654321'),
  roundTrip: 0x5a,
  baseFlags: 0x1234,
  statusFlags: 0x0a0b0c,
  batch: 7,
  reserved: 0x010203,
  userInfo: 9,
}

function dialectOf(rail: Rail) {
  const dialect = dialects[rail.dialect]
  if (dialect === undefined) throw new Error(`no dialect ${rail.dialect}`)
  return dialect
}

/** A message with what goes before it on its rail: TPDU or header. */
function wrapped(rail: Rail, body: Buffer): Buffer {
  if (rail.tpdu !== undefined) return Buffer.concat([encodeTpdu(tpdu), body])
  if (rail.stations !== undefined) return Buffer.concat([formatVisaHeader(header, body.length), body])
  return body
}

const bytesBefore = (rail: Rail) => (rail.tpdu !== undefined ? 5 : rail.stations !== undefined ? 22 : 0)

function decoded(rail: Rail, frame: Buffer): Message {
  return dialectOf(rail).decode(frame, bytesBefore(rail))
}

/** Fields of a purchase, for tests that put the bytes together themselves. */
function purchaseFields(world: TestSwitch, rail: RailName, stan: string): FieldValues {
  const { card, governorate } = world.household()
  const { acceptorId, terminalId, mcc } = world.place('shop', governorate)
  const fields: FieldValues = []
  Object.assign(fields, { 2: card.pan, 3: '000000', 4: '000000000100', 7: '1111100000', 11: stan, 12: '120000' })
  Object.assign(fields, { 13: '1111', 14: card.expiry, 18: mcc, 32: rails[rail].acquirer, 37: `RRN${stan}   ` })
  Object.assign(fields, { 41: terminalId, 42: acceptorId, 49: '818' })
  return fields
}

async function gone(t: Test, peer: Peer, why: string): Promise<void> {
  await peer.gone
  t.pass(why)
}

test('messages on the wire', async (t) => {
  const world = await startTestSwitch(t)
  const pay = (mti = '0200'): Intent => {
    const { card, governorate } = world.household()
    return transaction('purchase', { mti, card, terminal: world.place('shop', governorate), amountPiasters: 777 })
  }
  const peerOf = async (t: Test, rail: Rail) => {
    const peer = await connectPeer(world.ports[rail.listener], rail.framing)
    t.teardown(() => peer.destroy())
    return peer
  }

  for (const name of railNames) {
    const rail = rails[name]
    const link: Counterparty = world[name]

    await t.test(`${name}: an answer echoes what its dialect asks, and sets 38 and 39`, async (t) => {
      const echo = [2, 3, 4, 7, 11, 12, 13, 14, 32, 37, 41, 42, 49]
      for (const mti of ['0200', '0100']) {
        const sent = link.compose(pay(mti))
        const answer = await link.send(sent)
        const request = dialectOf(rail).decode(sent.frame, rail.stations === undefined ? 0 : 22)
        for (const de of echo) t.equal(answer.message.text(de), request.text(de), `DE${de}`)
        t.match(answer.message.text(38), /^[0-9A-Z]{6}$/)
        t.equal(answer.message.text(39), '00')
        const own = name === 'visa' ? [25] : []
        t.same(
          answer.message.fieldNumbers(),
          [...echo, ...own, 38, 39, 54].sort((a, b) => a - b),
          'and nothing else',
        )
      }
    })

    await t.test(`${name}: a field that the request lacks is not made up`, async (t) => {
      const { answer } = await link.ask({ ...pay(), override: { 12: undefined, 13: undefined, 14: undefined } })
      t.same(
        [12, 13, 14].map((de) => answer.message.has(de)),
        [false, false, false],
      )
    })

    await t.test(`${name}: duplicates are answered byte for byte and posted once`, async (t) => {
      const first = await link.ask(pay())
      const { answer } = await expectExchange(t, world, link, first.sent, { code: '00', commands: 1, moves: false })
      t.same(answer.frame, first.answer.frame, 'the same message again')
      const repeat = link.repeatOf(first.sent)
      t.equal(repeat.mti, '0201')
      const again = await expectExchange(t, world, link, repeat, { code: '00', commands: 1, moves: false })
      t.same(again.answer.frame, first.answer.frame, 'its repeat form')
      const second = await world.open(name)
      t.same((await second.send(repeat)).frame, first.answer.frame, 'on another link')
    })

    await t.test(`${name}: duplicates that arrive together are one posting`, async (t) => {
      const peer = await peerOf(t, rail)
      const sent = link.compose(pay())
      const frames = Array.from({ length: 5 }, () =>
        wrapped(rail, sent.frame.subarray(rail.stations === undefined ? 0 : 22)),
      )
      peer.send(...frames)
      const answers: Buffer[] = []
      while (answers.length < frames.length) answers.push(await peer.next())
      t.equal(new Set(answers.map((answer) => answer.toString('hex'))).size, 1, 'all answers are the same')
      t.equal(decoded(rail, answers[0] as Buffer).text(39), '00')
      t.equal((await world.ledger(sent))?.entries.length, 2)
    })

    await t.test(`${name}: the same key with other content is 94`, async (t) => {
      const first = await link.ask(pay())
      const other: Sent = link.withStampsOf(first.sent, { ...first.sent.intent, amountPiasters: 778 })
      const expected = { code: '94', commands: 1 }
      await expectExchange(t, world, link, other, expected)
      const again = await expectExchange(t, world, link, first.sent, { code: '00', commands: 1, moves: false })
      t.same(again.answer.frame, first.answer.frame, 'the first still gets its own answer')
    })

    await t.test(`${name}: network management`, async (t) => {
      for (const [code, expected] of [
        ['001', '00'],
        ['301', '00'],
        ['002', '00'],
        ['001', '00'],
        ['999', '12'],
      ] as const) {
        const answer = await link.network(code)
        t.equal(answer.mti, '0810')
        t.equal(answer.code, expected, `DE70 ${code}`)
        t.equal(answer.text(70), code)
      }
    })

    await t.test(`${name}: after sign-off everything but 0800 is 91, and leaves nothing behind`, async (t) => {
      const other = await world.open(name)
      await other.network('002')
      const { sent, answer } = await other.ask(pay())
      t.equal(answer.code, '91')
      t.equal(await world.ledger(sent), undefined)
      t.equal((await other.echo()).code, '00')
      await other.network('001')
      t.equal((await other.send(sent)).code, '00', 'the very message is processed after sign-on')
    })

    await t.test(`${name}: a message that ends early is 30 with what was read, and the link stays`, async (t) => {
      const peer = await peerOf(t, rail)
      const whole = dialectOf(rail).encode('0200', purchaseFields(world, name, '900001'))
      const message = dialectOf(rail).decode(whole)
      const cut = whole.subarray(0, message.fieldStart(42) + 3)
      peer.send(wrapped(rail, cut))
      const answer = decoded(rail, await peer.next())
      t.equal(answer.mti, '0210')
      t.equal(answer.text(39), '30')
      t.same([answer.text(11), answer.text(37), answer.text(41)], ['900001', 'RRN900001   ', message.text(41)])
      t.notOk(answer.has(42) || answer.has(49) || answer.has(38))
      peer.send(wrapped(rail, whole))
      t.equal(decoded(rail, await peer.next()).text(39), '00', 'the whole message is taken on the same link')
    })

    await t.test(`${name}: a field that the dialect does not have is 30, and the link stays`, async (t) => {
      const peer = await peerOf(t, rail)
      const body = withUnknownBit(rail, dialectOf(rail).encode('0200', purchaseFields(world, name, '900002')))
      peer.send(wrapped(rail, body))
      const answer = decoded(rail, await peer.next())
      t.equal(answer.text(39), '30')
      t.equal(answer.text(3), '000000', 'what stands before the field is echoed')
      peer.send(wrapped(rail, dialectOf(rail).encode('0200', purchaseFields(world, name, '900003'))))
      t.equal(decoded(rail, await peer.next()).text(39), '00')
    })

    await t.test(`${name}: a message without STAN or DE7 is 30, each time`, async (t) => {
      const peer = await peerOf(t, rail)
      const whole = purchaseFields(world, name, '900004')
      for (const de of [11, 7]) {
        for (const amount of ['000000000100', '000000000200', '000000000200']) {
          const fields = Object.assign([...whole], { 4: amount, [de]: undefined })
          peer.send(wrapped(rail, dialectOf(rail).encode('0200', fields)))
          t.equal(decoded(rail, await peer.next()).text(39), '30', `without DE${de}, amount ${amount}`)
        }
      }
    })

    await t.test(`${name}: types that nobody decides on are 12; answers are not answered`, async (t) => {
      const peer = await peerOf(t, rail)
      const body = (mti: string, stan: string) =>
        wrapped(rail, dialectOf(rail).encode(mti, purchaseFields(world, name, stan)))
      peer.send(body('0600', '900005'))
      const answer = decoded(rail, await peer.next())
      t.same([answer.mti, answer.text(39)], ['0610', '12'])
      peer.send(body('0210', '900006'), body('0200', '900007'))
      t.equal(decoded(rail, await peer.next()).text(11), '900007', 'only the request is')
    })

    await t.test(`${name}: a frame over the limit closes the link`, async (t) => {
      const peer = await peerOf(t, rail)
      peer.send(Buffer.alloc(rail.maxFrameBytes + 1, 0x30))
      await gone(t, peer, 'closed')
    })

    await t.test(`${name}: garbage closes the link, and only that link`, async (t) => {
      const peer = await peerOf(t, rail)
      peer.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await gone(t, peer, 'closed')
      t.equal((await link.echo()).code, '00')
    })

    await t.test(`${name}: a message in pieces, and two in one piece`, async (t) => {
      const peer = await peerOf(t, rail)
      const frame = (stan: string) =>
        writeFrame(rail.framing, wrapped(rail, dialectOf(rail).encode('0200', purchaseFields(world, name, stan))))
      const [first, second] = [frame('900008'), frame('900009')]
      const stream = Buffer.concat([first, second])
      for (let at = 0; at < stream.length; at += 7) {
        peer.socket.write(stream.subarray(at, at + 7))
        await new Promise((resolve) => setImmediate(resolve))
      }
      const stans = [decoded(rail, await peer.next()).text(11), decoded(rail, await peer.next()).text(11)]
      t.same(stans.sort(), ['900008', '900009'])
    })
  }

  await t.test('atm: the TPDU comes back with source and destination swapped', async (t) => {
    const peer = await peerOf(t, rails.atm)
    peer.send(wrapped(rails.atm, dialectOf(rails.atm).encode('0200', purchaseFields(world, 'atm', '900010'))))
    const swapped = { id: tpdu.id, destination: tpdu.source, source: tpdu.destination }
    t.same(parseTpdu(await peer.next()), swapped)
  })

  await t.test('atm: a frame that cannot hold a TPDU closes the link', async (t) => {
    const peer = await peerOf(t, rails.atm)
    peer.send(Buffer.from([0x60, 0, 0, 0, 0]))
    await gone(t, peer, 'closed')
  })

  await t.test('visa: the header comes back with stations swapped and the rest repeated', async (t) => {
    const peer = await peerOf(t, rails.visa)
    peer.send(wrapped(rails.visa, dialectOf(rails.visa).encode('0100', purchaseFields(world, 'visa', '900011'))))
    const frame = await peer.next()
    const answer = parseVisaHeader(frame)
    const { source, destination } = header
    const expected = { ...header, source: destination, destination: source, totalLength: frame.length }
    t.same(answer.header, expected)
    t.notOk(answer.lengthDiffers)
  })

  await t.test('visa: keep-alives are answered, rejected messages are not', async (t) => {
    const peer = await peerOf(t, rails.visa)
    const closed = new Promise<Buffer>((resolve) => peer.socket.once('data', resolve))
    peer.socket.write(Buffer.alloc(4))
    t.same(await closed, Buffer.alloc(4), 'a poll of length 0 comes back')
    const body = dialectOf(rails.visa).encode('0100', purchaseFields(world, 'visa', '900012'))
    const whole = wrapped(rails.visa, body)
    const reject = Buffer.concat([whole.subarray(0, 22), Buffer.from([0, 0, 0x01, 0x23]), whole])
    reject[0] = 26
    reject.writeUInt16BE(reject.length, 3)
    peer.send(
      reject,
      wrapped(rails.visa, dialectOf(rails.visa).encode('0100', purchaseFields(world, 'visa', '900013'))),
    )
    t.equal(decoded(rails.visa, await peer.next()).text(11), '900013')
  })

  await t.test('a card number in the journal is masked', async (t) => {
    const { rows } = await world.client.query<{ pan_masked: string }>(
      'select distinct pan_masked from authorization_journal',
    )
    t.ok(rows.length > 0)
    t.ok(rows.every((row) => /^(\d{6}\*+\d{4}|\**)$/.test(row.pan_masked)))
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})

/** Announces a field that the dialect does not have, behind the processing code: DE8 on Visa, DE65 elsewhere. */
function withUnknownBit(rail: Rail, body: Buffer): Buffer {
  const copy = Buffer.from(body)
  if (rail.name === 'visa') copy[2] = (copy[2] as number) | 0x01
  else if (rail.name === 'atm') return withSecondBitmap(copy, 2, 8, (bitmap) => Buffer.from(bitmap))
  else return withSecondBitmap(copy, 4, 16, (bitmap) => Buffer.from(Buffer.from(bitmap).toString('hex').toUpperCase()))
  return copy
}

/** Adds a second bitmap with only the bit of DE65, which would mean a third one. */
function withSecondBitmap(
  body: Buffer,
  mtiBytes: number,
  bitmapBytes: number,
  encode: (bytes: number[]) => Buffer,
): Buffer {
  const first = body.subarray(mtiBytes, mtiBytes + bitmapBytes)
  const bits = bitmapBytes === 8 ? [...first] : [...Buffer.from(first.toString('latin1'), 'hex')]
  bits[0] = (bits[0] as number) | 0x80
  const second = encode([0x80, 0, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([body.subarray(0, mtiBytes), encode(bits), second, body.subarray(mtiBytes + bitmapBytes)])
}
