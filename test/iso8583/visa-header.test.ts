import t from 'tap'
import { describeVisaHeader } from '../../src/iso8583/describe.ts'
import {
  answerHeader,
  formatReject,
  formatVisaHeader,
  formatVisaHeaderInto,
  newVisaHeader,
  parseVisaHeader,
} from '../../src/iso8583/visa-header.ts'

// The header of the 0430 of the Visa reference's samples, as V.I.P. delivered it.
const wire = Buffer.from('16010200a61234560000000110004dd8400701132200', 'hex')
const body = Buffer.alloc(0xa6 - 22, 0x5a)

t.test('all fields are read and written', (t) => {
  const { header, reject, bodyStart, lengthDiffers, failure } = parseVisaHeader(Buffer.concat([wire, body]))
  t.equal(failure, undefined)
  t.equal(reject, undefined)
  t.equal(bodyStart, 22)
  t.notOk(lengthDiffers)
  t.same(header, {
    format: 1,
    textFormat: 2,
    totalLength: 166,
    destination: '123456',
    source: '000000',
    roundTrip: 1,
    baseFlags: 0x1000,
    statusFlags: 0x4dd840,
    batch: 7,
    reserved: 0x011322,
    userInfo: 0,
  })
  if (header === undefined) return
  t.same(formatVisaHeader(header, body.length), wire)
  const target = Buffer.alloc(30, 0xee)
  formatVisaHeaderInto(header, body.length, target, 4)
  t.same(target.subarray(4, 26), wire)
  t.match(describeVisaHeader(header), /to 123456, from 000000, .* status 4dd840/)
  t.end()
})

t.test('the answer goes back where the request came from', (t) => {
  const request = {
    ...newVisaHeader('123456', '654321'),
    roundTrip: 1,
    baseFlags: 2,
    statusFlags: 3,
    batch: 4,
    userInfo: 6,
  }
  t.same(answerHeader(request), { ...request, source: '654321', destination: '123456', totalLength: 0 })
  t.equal(formatVisaHeader(answerHeader(request), 100).toString('hex'), '160102007a1234566543210100020000030400000006')
  t.end()
})

t.test('a reject: 26 bytes, then the original header and message', (t) => {
  const message = Buffer.concat([wire, body])
  const original = parseVisaHeader(message).header
  if (original === undefined) return
  const rejected = formatReject(original, message, '0514', 0x8001)
  t.equal(rejected.length, 26 + message.length)
  const result = parseVisaHeader(rejected)
  t.equal(result.failure, undefined)
  t.notOk(result.lengthDiffers)
  t.match(result.reject, { code: '0514', bitmap: 0x8001, original })
  t.match(result.header, { destination: '000000', source: '123456' })
  t.equal(result.bodyStart, 48)
  t.same(rejected.subarray(result.bodyStart), body)
  t.match(describeVisaHeader(original, result.reject), /rejected with code 0514/)
  t.throws(() => formatReject(original, message, '514'), { code: 'CODEC_ENCODE_FAILED' })
  for (let length = 0; length < 48; length++) {
    t.equal(parseVisaHeader(rejected.subarray(0, length)).failure?.kind, 'short')
  }
  t.end()
})

t.test('a header that cannot be read says which field', (t) => {
  const changed = (offset: number, byte: number): Buffer => {
    const bytes = Buffer.concat([wire, body])
    bytes[offset] = byte
    return bytes
  }
  const cases: [Buffer, string][] = [
    [changed(0, 0x17), 'H1'],
    [changed(1, 0x81), 'H2'],
    [changed(1, 0x02), 'H2'],
    [changed(2, 0x03), 'H3'],
    [changed(2, 0x00), 'H3'],
    [changed(5, 0xaa), 'H5'],
    [changed(8, 0x0f), 'H6'],
  ]
  for (const [bytes, field] of cases) {
    const result = parseVisaHeader(bytes)
    t.equal(result.failure?.field, field)
    t.equal(result.header, undefined)
  }
  const original = parseVisaHeader(Buffer.concat([wire, body])).header
  if (original === undefined) return
  const reject = formatReject(original, Buffer.concat([wire, body]), '0001')
  reject[24] = 0xaa
  t.match(parseVisaHeader(reject).failure, { field: 'H14', offset: 24 })
  reject[24] = 0
  reject[26 + 2] = 9
  t.match(parseVisaHeader(reject).failure, { field: 'H3', offset: 28 })
  t.ok(parseVisaHeader(changed(4, 0xa7)).lengthDiffers, 'a wrong H4 is told, not refused')
  t.throws(() => formatVisaHeader({ ...original, source: '12' }, 0), /H6/)
  t.throws(() => formatVisaHeader(original, 70_000), /H4/)
  t.throws(() => formatVisaHeaderInto(original, 0, Buffer.alloc(10), 0), /H4/)
  t.end()
})
