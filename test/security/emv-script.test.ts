import fc from 'fast-check'
import t from 'tap'
import { berValue, parseBerTlv } from '../../src/iso8583/ber-tlv.ts'
import { deriveCardKey } from '../../src/security/emv/master-key.ts'
import {
  encipherScriptData,
  issuerScript,
  ScriptWriter,
  scriptMac,
  securedCommand,
  visaPinBlock,
} from '../../src/security/emv/script.ts'
import { decipherPinBlock } from '../../src/security/pin/pin-cipher.ts'
import { decryptEcb } from '../../src/security/primitives/block-modes.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { retailMac } from '../../src/security/primitives/mac.ts'
import {
  anyBytes,
  anyDigits,
  bytes,
  digits,
  fromHex,
  hex,
  holds,
  opensslRetailMac,
  opensslTdes,
  padded,
  pin,
  text,
  vectorsOf,
  withParity,
} from './emv-support.ts'

const FILE = 'crypto-emv.json'
const keyBytes = {
  cryptogram: fromHex('0123456789ABCDEFFEDCBA9876543210'),
  integrity: fromHex('FEDCBA98765432100123456789ABCDEF'),
  confidentiality: fromHex('89ABCDEF0123456776543210FEDCBA98'),
}
const pinChange = {
  cryptogram: new DesKey(keyBytes.cryptogram),
  confidentiality: new DesKey(keyBytes.confidentiality),
}
const issuer = { integrity: new DesKey(keyBytes.integrity), option: 'A', pinChange } as const
const card = { pan: '1234567890123456', psn: '00' }
const transaction = { counter: fromHex('001C'), cryptogram: fromHex('7A788EA6B8A3E733') }
const visa = { sessionKey: 'visa', pinBlock: 'visa' } as const
const common = { sessionKey: 'common', pinBlock: 'iso 2' } as const
const newPin = digits('9999')

function cardKeyOf(issuerKey: Uint8Array): Uint8Array {
  const out = new Uint8Array(16)
  deriveCardKey(new DesKey(issuerKey), card.pan, card.psn, 'A', out)
  return out
}

/** Common session key by OpenSSL. */
function commonKey(issuerKey: Uint8Array, cryptogram: string): Buffer {
  const [start, end] = [cryptogram.slice(0, 4), cryptogram.slice(6)]
  return withParity(opensslTdes(cardKeyOf(issuerKey), fromHex(`${start}F0${end}${start}0F${end}`)))
}

t.test('script MACs are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'script-mac')) {
    t.equal(hex(retailMac(new DesKey(bytes(vector, 'key')), bytes(vector, 'data'), 2)), text(vector, 'mac'), vector.id)
  }
  const header = fromHex('8418000008')
  const key = new DesKey(fromHex('94F867167C64EF23EAB0CB627A7ACB62'))
  t.equal(hex(scriptMac(key, header, transaction, new Uint8Array(0))), '04EDE90BC24CC35E')
  t.throws(() => scriptMac(key, header.subarray(1), transaction, header), { code: 'ASSERTION_FAILED' })
  t.throws(() => scriptMac(key, header, { ...transaction, counter: header }, header), { code: 'ASSERTION_FAILED' })
})

t.test("Visa's PIN blocks are those published", async (t) => {
  for (const vector of vectorsOf(FILE, 'visa-pin-block')) {
    const block = visaPinBlock(bytes(vector, 'cardKey'), pin(vector, 'newPin') ?? newPin, pin(vector, 'currentPin'))
    t.equal(hex(block), text(vector, 'block'), vector.id)
  }
})

t.test('PIN changes are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'pin-change')) {
    const block = visaPinBlock(bytes(vector, 'cardKey'), pin(vector, 'newPin') ?? newPin, pin(vector, 'currentPin'))
    const enciphered = encipherScriptData(new DesKey(bytes(vector, 'confidentialityKey')), block)
    const header = { cla: 0x84, ins: 0x24, p1: 0, p2: vector.currentPin === undefined ? 2 : 1 }
    const of = { counter: bytes(vector, 'counter'), cryptogram: bytes(vector, 'cryptogram') }
    const command = securedCommand(new DesKey(bytes(vector, 'integrityKey')), header, of, enciphered)
    t.equal(hex(command), text(vector, 'command'), vector.id)
  }
})

t.test('a PIN that comes under a zone key goes to the card as published', async (t) => {
  for (const vector of vectorsOf(FILE, 'pin-change-from-zone')) {
    const by = { format: 0, key: new DesKey(bytes(vector, 'zoneKey')) } as const
    const [fresh, current] = ['newPinBlock', 'currentPinBlock'].map((name) => {
      const out = new Uint8Array(12)
      return out.subarray(0, decipherPinBlock(by, bytes(vector, name), text(vector, 'pan'), out))
    })
    const block = visaPinBlock(bytes(vector, 'cardKey'), fresh ?? newPin, current)
    const enciphered = encipherScriptData(new DesKey(bytes(vector, 'confidentialityKey')), block)
    t.equal(hex(enciphered), text(vector, 'enciphered'), vector.id)
    const of = { counter: bytes(vector, 'counter'), cryptogram: bytes(vector, 'cryptogram') }
    const mac = scriptMac(new DesKey(bytes(vector, 'integrityKey')), bytes(vector, 'header'), of, enciphered)
    t.equal(hex(mac), text(vector, 'mac'), vector.id)
  }
})

t.test('commands from issuer keys are those published', async (t) => {
  for (const vector of vectorsOf(FILE, 'script')) {
    const keys = {
      integrity: new DesKey(bytes(vector, 'integrityKey')),
      option: 'A',
      pinChange: {
        cryptogram: new DesKey(bytes(vector, 'cryptogramKey')),
        confidentiality: new DesKey(bytes(vector, 'confidentialityKey')),
      },
    } as const
    const method = vector.method === 'visa' ? visa : common
    const of = { counter: bytes(vector, 'counter'), cryptogram: bytes(vector, 'cryptogram') }
    const writer = new ScriptWriter(keys, { pan: text(vector, 'pan'), psn: text(vector, 'psn') }, method, of)
    let command: Buffer
    if (vector.command === 'application-unblock') command = writer.applicationUnblock()
    else if (vector.command === 'pin-unblock') command = writer.pinUnblock()
    else command = writer.pinChange(pin(vector, 'newPin') ?? newPin, pin(vector, 'currentPin'))
    t.equal(hex(command), text(vector, 'expected'), vector.id)
  }
})

t.test('each command has the header of EMV, and an Lc that counts the MAC', async (t) => {
  const write = () => new ScriptWriter(issuer, card, visa, transaction)
  t.match(hex(write().applicationBlock()), /^841E000008[0-9A-F]{16}$/)
  t.match(hex(write().applicationUnblock()), /^8418000008[0-9A-F]{16}$/)
  t.match(hex(write().cardBlock()), /^8416000008[0-9A-F]{16}$/)
  t.match(hex(write().pinUnblock()), /^8424000008[0-9A-F]{16}$/)
  t.match(hex(write().pinChange(newPin)), /^8424000218[0-9A-F]{48}$/)
  t.match(hex(write().pinChange(newPin, digits('123456'))), /^8424000118[0-9A-F]{48}$/)
  const put = write().command({ cla: 0x04, ins: 0xda, p1: 0x9f, p2: 0x58 }, fromHex('05'))
  t.match(hex(put), /^04DA9F580905[0-9A-F]{16}$/)
  t.throws(() => write().command({ cla: 4, ins: 0xda, p1: 0, p2: 0 }, new Uint8Array(248)), { code: 'BAD_INPUT' })
  t.equal(write().command({ cla: 4, ins: 0xda, p1: 0, p2: 0 }, new Uint8Array(247)).length, 5 + 255)
})

t.test('a PIN set under the common method alone goes in format 2, as a second implementation says', async (t) => {
  const command = new ScriptWriter(issuer, card, common, transaction).pinChange(digits('123456'))
  const cryptogram = hex(transaction.cryptogram)
  const plain = fromHex('0826123456FFFFFFFF80000000000000')
  const enciphered = opensslTdes(commonKey(keyBytes.confidentiality, cryptogram), plain)
  const covered = Buffer.concat([fromHex(`8424000218001C${cryptogram}`), enciphered])
  const mac = opensslRetailMac(commonKey(keyBytes.integrity, cryptogram), padded(covered, 2))
  t.equal(hex(command), hex(Buffer.concat([fromHex('8424000218'), enciphered, mac])))
})

t.test("further commands: the common method counts the cryptogram up, Visa's keeps its keys", async (t) => {
  for (const [first, ...more] of [
    ['00000000000000FF', '0000000000000100', '0000000000000101'],
    ['FFFFFFFFFFFFFFFF', '0000000000000000'],
  ] as const) {
    const writer = new ScriptWriter(issuer, card, common, { ...transaction, cryptogram: fromHex(first) })
    for (const diversifier of [first, ...more]) {
      // The MAC covers the cryptogram as it came, whatever the key is made of.
      const covered = padded(fromHex(`8424000008001C${first}`), 2)
      const mac = opensslRetailMac(commonKey(keyBytes.integrity, diversifier), covered)
      t.equal(hex(writer.pinUnblock()), `8424000008${hex(mac)}`)
    }
  }
  const byVisa = new ScriptWriter(issuer, card, visa, transaction)
  t.same(byVisa.pinUnblock(), byVisa.pinUnblock())
})

t.test('a MAC is bound to card, transaction, key and command', async (t) => {
  for (const method of [visa, common]) {
    const mac = (of: Partial<{ card: typeof card; transaction: typeof transaction; integrity: DesKey }>) =>
      hex(
        new ScriptWriter(
          { ...issuer, integrity: of.integrity ?? issuer.integrity },
          of.card ?? card,
          method,
          of.transaction ?? transaction,
        ).pinUnblock(),
      )
    const all = [
      mac({}),
      mac({ card: { pan: '1234567890123457', psn: '00' } }),
      mac({ card: { ...card, psn: '01' } }),
      mac({ transaction: { ...transaction, counter: fromHex('001D') } }),
      mac({ transaction: { ...transaction, cryptogram: fromHex('7A788EA6B8A3E732') } }),
      mac({ integrity: pinChange.confidentiality }),
    ]
    t.equal(new Set(all).size, all.length)
    t.equal(mac({}), mac({}))
  }
})

t.test('the transaction is copied', async (t) => {
  const own = { counter: fromHex('001C'), cryptogram: fromHex('7A788EA6B8A3E733') }
  const writer = new ScriptWriter(issuer, card, common, own)
  own.counter.fill(0)
  own.cryptogram.fill(0)
  t.same(writer.pinUnblock(), new ScriptWriter(issuer, card, common, transaction).pinUnblock())
})

t.test('a card gets its PIN back out of the command', async (t) => {
  const session = new DesKey(keyBytes.confidentiality)
  holds(
    t,
    fc.property(anyBytes(16), anyDigits(4, 12), fc.option(anyDigits(4, 12)), (key, fresh, current) => {
      const block = visaPinBlock(key, digits(fresh), current === null ? undefined : digits(current))
      const plain = decryptEcb(session, encipherScriptData(session, block))
      if (hex(plain) !== `08${hex(block)}80000000000000`) return false
      const mask = `${(current ?? '').padEnd(16, '0')}`
      const clear = plain
        .subarray(1, 9)
        .map((byte, at) => byte ^ (fromHex(mask)[at] ?? 0) ^ (at < 4 ? 0 : (key[at] ?? 0)))
      return hex(clear) === `0${fresh.length.toString(16)}${fresh}`.padEnd(16, 'F').toUpperCase()
    }),
  )
})

t.test('enciphered data of any length carries its own, and is filled to whole blocks', async (t) => {
  const session = new DesKey(keyBytes.confidentiality)
  for (const [data, plain] of [
    ['AA', '01AA800000000000'],
    ['AABBCCDDEEFF', '06AABBCCDDEEFF80'],
    ['AABBCCDDEEFF11', '07AABBCCDDEEFF118000000000000000'],
  ] as const) {
    t.equal(hex(decryptEcb(session, encipherScriptData(session, fromHex(data)))), plain)
  }
  for (const length of [0, 256]) {
    t.throws(() => encipherScriptData(session, new Uint8Array(length)), { code: 'ASSERTION_FAILED' })
  }
})

t.test('what is not a PIN is refused, without showing it, and no PIN is changed without the keys', async (t) => {
  const writer = () => new ScriptWriter(issuer, card, common, transaction)
  for (const bad of ['123', '1234567890123']) {
    for (const change of [() => writer().pinChange(digits(bad)), () => writer().pinChange(newPin, digits(bad))]) {
      t.throws(change, { code: 'BAD_INPUT', message: /^(?!.*123)/ })
    }
  }
  t.throws(() => writer().pinChange(Uint8Array.of(1, 2, 3, 10)), { code: 'BAD_INPUT' })
  t.throws(
    () => new ScriptWriter({ integrity: issuer.integrity, option: 'A' }, card, visa, transaction).pinChange(newPin),
    {
      code: 'CRYPTO_REFUSED',
    },
  )
  t.throws(() => new ScriptWriter(issuer, { ...card, pan: '1' }, visa, transaction).pinUnblock(), { code: 'BAD_INPUT' })
  t.throws(() => new ScriptWriter(issuer, card, visa, { ...transaction, counter: fromHex('1C') }), {
    code: 'ASSERTION_FAILED',
  })
})

t.test('templates hold commands in order', async (t) => {
  for (const vector of vectorsOf(FILE, 'template')) {
    const commands = (vector.commands as string[]).map(fromHex)
    const template = vector.template === '71' ? '71' : '72'
    t.equal(hex(issuerScript(template, commands, bytes(vector, 'identifier'))), text(vector, 'script'), vector.id)
  }
  const commands = [fromHex('8424000008ED0AB162BAB1DE61'), fromHex('841E0000080102030405060708')]
  const script = parseBerTlv(issuerScript('71', commands)).list
  t.same(
    script.map(({ tag }) => tag),
    ['71'],
  )
  const inside = parseBerTlv(berValue(script, '71') ?? Buffer.alloc(0)).list
  t.same(inside, [
    { tag: '86', value: commands[0] },
    { tag: '86', value: commands[1] },
  ])
})

t.test('scripts that terminals need not take are refused', async (t) => {
  t.throws(() => issuerScript('71', []), { code: 'BAD_INPUT' })
  t.throws(() => issuerScript('71', [new Uint8Array(0)]), { code: 'BAD_INPUT' })
  t.equal(issuerScript('72', [new Uint8Array(124)]).length, 128)
  t.throws(() => issuerScript('72', [new Uint8Array(125)]), { code: 'BAD_INPUT' })
  t.throws(() => issuerScript('72', [new Uint8Array(13)], new Uint8Array(3)), { code: 'ASSERTION_FAILED' })
})
