import { execFileSync, spawnSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { deriveInCounterMode, fixedInputOf } from '../../src/security/counter-kdf.ts'
import { KEY_BLOCK_PROTECTION, loadMasterKey } from '../../src/security/master-key.ts'
import { loadPkcs11 } from '../../src/security/pkcs11-library.ts'
import { openPkcs11MasterKey, type Pkcs11Source } from '../../src/security/pkcs11-master-key.ts'
import { type FakeKey, FakeToken } from './fake-token.ts'

interface Vector {
  readonly id: string
  readonly key: string
  readonly fixedInput?: string
  readonly label?: string
  readonly context?: string
  readonly derived: string
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../vectors/crypto-kdf.json', import.meta.url), 'utf8'),
)
const bytes = (hex = '') => Buffer.from(hex, 'hex')

/** CMAC of NIST SP 800-38B with the cipher of the runtime, not with that of the program. */
function independentCmac(key: Buffer, data: Buffer): Buffer {
  const encrypt = (block: Buffer) => createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block)
  const doubled = (block: Buffer) => {
    const shifted = (BigInt(`0x${block.toString('hex')}`) << 1n) ^ (block.readUInt8() > 127 ? (1n << 128n) | 0x87n : 0n)
    return bytes(shifted.toString(16).padStart(32, '0'))
  }
  const xor = (a: Buffer, b: Buffer) => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
  const subkey = doubled(encrypt(Buffer.alloc(16)))
  const count = Math.max(1, Math.ceil(data.length / 16))
  const tail = data.subarray((count - 1) * 16)
  const last =
    tail.length === 16
      ? xor(tail, subkey)
      : xor(Buffer.concat([tail, bytes('80'), Buffer.alloc(15)]).subarray(0, 16), doubled(subkey))
  let mac = Buffer.alloc(16)
  for (let at = 0; at < count - 1; at++) mac = encrypt(xor(mac, data.subarray(at * 16, at * 16 + 16)))
  return encrypt(xor(mac, last))
}

t.test('the key derivation gives what was published and what OpenSSL gives', async (t) => {
  t.equal(vectors.length, 4)
  for (const { id, key, fixedInput, label = '', context = '', derived } of vectors) {
    const length = derived.length / 2
    const fixed = fixedInput === undefined ? fixedInputOf(label, context, length) : bytes(fixedInput)
    const found = deriveInCounterMode((input) => independentCmac(bytes(key), input), fixed, length)
    t.equal(found.toString('hex').toUpperCase(), derived, id)
  }
  t.throws(() => deriveInCounterMode(() => Buffer.alloc(16), Buffer.alloc(1), 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => deriveInCounterMode(() => Buffer.alloc(8), Buffer.alloc(1), 1), { code: 'ASSERTION_FAILED' })
  t.notOk(fixedInputOf('a', 'b', 16).equals(fixedInputOf('ab', '', 16)), 'label and context do not run into each other')
})

const pin = '491625'
const secret = bytes(vectors[2]?.key)
const source: Pkcs11Source = { module: '/module.so', tokenLabel: 'mizan', keyLabel: 'master', pin }
const key: FakeKey = { label: 'master', bytes: secret }
const open = (token: FakeToken, overrides: Partial<Pkcs11Source> = {}) =>
  openPkcs11MasterKey({ ...source, ...overrides }, async () => token)

t.test('a master key in a token derives there', async (t) => {
  const token = new FakeToken(['other', 'mizan'], pin, [{ label: 'other', bytes: Buffer.alloc(32, 1) }, key])
  const masterKey = await open(token)
  t.equal(masterKey.description, 'the PKCS#11 token mizan, key master')
  t.equal(masterKey.derive(KEY_BLOCK_PROTECTION, 32).toString('hex').toUpperCase(), vectors[2]?.derived)
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 100 }), (purpose, length) => {
      const fixed = Buffer.alloc(4)
      fixed.writeUInt32BE(length * 8)
      const input = Buffer.concat([Buffer.from(purpose), Buffer.from('\0mizan'), fixed])
      const blocks = Array.from({ length: Math.ceil(length / 16) }, (_, at) =>
        independentCmac(secret, Buffer.concat([Buffer.from([0, 0, 0, at + 1]), input])),
      )
      return masterKey.derive(purpose, length).equals(Buffer.concat(blocks).subarray(0, length))
    }),
    { numRuns: 50 },
  )
  t.throws(() => masterKey.derive('', 32), { code: 'ASSERTION_FAILED' })
  t.notMatch(inspect(masterKey, { depth: 9, showHidden: true }), new RegExp(pin))
  t.equal(token.openSessions, 1)
  masterKey.close()
  masterKey.close()
  t.equal(token.openSessions, 0)
  t.notOk(token.isInitialized)
  t.throws(() => masterKey.derive('one', 32), { code: 'CRYPTO_REFUSED' })
})

t.test('a token that fails later is said to fail', async (t) => {
  const token = new FakeToken(['mizan'], pin, [key])
  const masterKey = await open(token)
  token.failure = 'CKR_DEVICE_REMOVED'
  t.throws(() => masterKey.derive('one', 32), { code: 'CRYPTO_REFUSED', message: /CKR_DEVICE_REMOVED/ })
  masterKey.close()
})

t.test('two users of a module in one process', async (t) => {
  const token = new FakeToken(['mizan'], pin, [key])
  const first = await open(token)
  const second = await open(token)
  t.same(second.derive('one', 32), first.derive('one', 32))
  second.close()
  t.ok(token.isInitialized, 'the first one goes on')
  t.ok(first.derive('one', 32))
  await t.rejects(open(token, { keyLabel: 'none' }))
  t.equal(token.openSessions, 1)
  t.ok(first.derive('one', 32))
  first.close()
})

t.test('what is not as configured is refused, and the token let go of', async (t) => {
  const refusals: readonly (readonly [string, RegExp, FakeToken, Partial<Pkcs11Source>?])[] = [
    ['no token', /no tokens with the label mizan/, new FakeToken(['other', ''], pin, [key])],
    ['two tokens', /several tokens with the label mizan/, new FakeToken(['mizan', 'mizan'], pin, [key])],
    ['wrong PIN', /refuses the PIN: CKR_PIN_INCORRECT$/, new FakeToken(['mizan'], '111111', [key])],
    ['no key', /no secret keys with the label master/, new FakeToken(['mizan'], pin, [])],
    ['two keys', /several secret keys with the label master/, new FakeToken(['mizan'], pin, [key, key])],
    ['a shorter key', /not an AES-256 key/, new FakeToken(['mizan'], pin, [{ ...key, bytes: Buffer.alloc(16, 1) }])],
    ['another algorithm', /not an AES-256 key/, new FakeToken(['mizan'], pin, [{ ...key, type: 0x10 }])],
    ['a key that does not sign', /AES-256 key that signs/, new FakeToken(['mizan'], pin, [{ ...key, sign: false }])],
    ['extractable', /could leave the PKCS#11 token/, new FakeToken(['mizan'], pin, [{ ...key, extractable: true }])],
    ['readable', /could leave the PKCS#11 token/, new FakeToken(['mizan'], pin, [{ ...key, sensitive: false }])],
  ]
  for (const [name, message, token, overrides] of refusals) {
    const error: unknown = await open(token, overrides).catch((thrown: unknown) => thrown)
    t.match(error, { code: 'CONFIG_INVALID', message }, name)
    t.notMatch(inspect(error), new RegExp(pin), 'the PIN is not told')
    t.notOk(token.isInitialized, name)
    t.equal(token.openSessions, 0, name)
    t.ok(token.calls.filter((call) => call === 'C_Login').length <= 1, 'one try: tokens lock themselves')
  }
  const broken = new FakeToken(['mizan'], pin, [key])
  broken.failure = 'CKR_GENERAL_ERROR'
  await t.rejects(open(broken), { code: 'CONFIG_INVALID', message: /CKR_GENERAL_ERROR/ })
})

const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-pkcs11-'))
t.teardown(() => rmSync(folder, { recursive: true }))

t.test('the PIN comes from the environment, else from a file that only its owner may read', async (t) => {
  const { pin: _, ...withoutPin } = source
  const token = new FakeToken(['mizan'], pin, [key])
  const openWith = (overrides: Partial<Pkcs11Source>) =>
    openPkcs11MasterKey({ ...withoutPin, ...overrides }, async () => token)
  const pinFile = path.join(folder, 'pin')
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 })
  const openFile = path.join(folder, 'open-pin')
  writeFileSync(openFile, pin, { mode: 0o644 })
  const emptyFile = path.join(folder, 'empty-pin')
  writeFileSync(emptyFile, '\n', { mode: 0o600 })
  const masterKey = await openWith({ pinFile })
  masterKey.close()
  const other = await openWith({ pin, pinFile: openFile })
  other.close()
  await t.rejects(openWith({ pinFile: openFile }), { code: 'CONFIG_INVALID', message: /chmod 600/ })
  await t.rejects(openWith({ pinFile: path.join(folder, 'none') }), { message: /PIN.*cannot be read/ })
  for (const overrides of [{}, { pinFile: emptyFile }, { pin: '' }]) {
    await t.rejects(openWith(overrides), { code: 'CONFIG_INVALID', message: /needs a PIN: set MIZAN_PKCS11_PIN/ })
  }
})

t.test('without the package, or the module, there is a way out in the message', async (t) => {
  const missing = { code: 'CONFIG_INVALID', message: /install pkcs11js-not-there/ }
  await t.rejects(loadPkcs11('/module.so', 'pkcs11js-not-there'), missing)
})

/** Where Debian and others put SoftHSM, seen from its program. */
function findSoftHsm(): { util: string; module: string } | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const util = folders.map((one) => path.join(one, 'softhsm2-util')).find(existsSync)
  if (util === undefined) return undefined
  const lib = path.resolve(path.dirname(util), '..', 'lib')
  const inside = existsSync(lib) ? readdirSync(lib).map((name) => path.join(lib, name)) : []
  const module = [lib, ...inside].map((one) => path.join(one, 'softhsm', 'libsofthsm2.so')).find(existsSync)
  return module === undefined ? undefined : { util, module }
}

function findPackage(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('pkcs11js')
  } catch {
    return undefined
  }
}

const softHsm = findSoftHsm()
const installed = findPackage()
const noPackage = installed === undefined ? 'the optional package pkcs11js is not installed' : false
const noToken = softHsm === undefined ? 'softhsm2-util and libsofthsm2.so are not installed' : noPackage

t.test('a module that is none', { skip: noPackage }, async (t) => {
  const module = path.join(folder, 'none.so')
  await t.rejects(loadPkcs11(module), { code: 'CONFIG_INVALID', message: /module cannot be loaded: .*none\.so/ })
  await t.rejects(
    loadMasterKey({ hex: undefined, file: undefined, generateAt: undefined, pkcs11: { ...source, module } }),
    {
      code: 'CONFIG_INVALID',
    },
  )
})

interface Attribute {
  readonly type: number
  readonly value: number | boolean | string | Buffer
}

/** What only the making of keys needs of the package. */
interface KeyMaker {
  load(module: string): void
  C_Initialize(options: object): void
  C_Finalize(): void
  C_GetSlotList(present: boolean): Buffer[]
  C_GetTokenInfo(slot: Buffer): { label: string }
  C_OpenSession(slot: Buffer, flags: number): Buffer
  C_Login(session: Buffer, user: number, pin: string): void
  C_GenerateKey(session: Buffer, mechanism: { mechanism: number }, template: Attribute[]): Buffer
  C_CreateObject(session: Buffer, template: Attribute[]): Buffer
}

t.test('SoftHSM2 keeps a master key', { skip: noToken }, async (t) => {
  if (softHsm === undefined || installed === undefined) return
  const tokens = path.join(folder, 'tokens')
  mkdirSync(tokens)
  const settings = path.join(folder, 'softhsm2.conf')
  writeFileSync(settings, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  process.env.SOFTHSM2_CONF = settings
  const arguments_ = ['--init-token', '--free', '--label', 'mizan', '--pin', pin, '--so-pin', '87654321']
  execFileSync(softHsm.util, ['--module', softHsm.module, ...arguments_])

  const pkcs11 = createRequire(import.meta.url)(installed) as Record<string, number> & { PKCS11: new () => KeyMaker }
  const maker = new pkcs11.PKCS11()
  maker.load(softHsm.module)
  maker.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  const slot = maker.C_GetSlotList(true).find((one) => maker.C_GetTokenInfo(one).label.trim() === 'mizan')
  if (slot === undefined) throw new Error('the token is not there')
  const constant = (name: string) => pkcs11[name] as number
  const session = maker.C_OpenSession(slot, constant('CKF_SERIAL_SESSION') | constant('CKF_RW_SESSION'))
  maker.C_Login(session, constant('CKU_USER'), pin)
  const template = (label: string, extractable: boolean): Attribute[] => [
    { type: constant('CKA_TOKEN'), value: true },
    { type: constant('CKA_PRIVATE'), value: true },
    { type: constant('CKA_LABEL'), value: label },
    { type: constant('CKA_SIGN'), value: true },
    { type: constant('CKA_SENSITIVE'), value: !extractable },
    { type: constant('CKA_EXTRACTABLE'), value: extractable },
  ]
  const known = [
    { type: constant('CKA_CLASS'), value: constant('CKO_SECRET_KEY') },
    { type: constant('CKA_KEY_TYPE'), value: constant('CKK_AES') },
    { type: constant('CKA_VALUE'), value: secret },
  ]
  maker.C_CreateObject(session, [...known, ...template('known', false)])
  maker.C_CreateObject(session, [...known, ...template('leaving', true)])
  for (const [label, length] of [
    ['master', 32],
    ['short', 16],
    ['twice', 32],
    ['twice', 32],
  ] as const) {
    const size = { type: constant('CKA_VALUE_LEN'), value: length }
    maker.C_GenerateKey(session, { mechanism: constant('CKM_AES_KEY_GEN') }, [size, ...template(label, false)])
  }
  maker.C_Finalize()

  const { module } = softHsm
  const none = { hex: undefined, file: undefined, generateAt: undefined }
  const openKey = (overrides: Partial<Pkcs11Source>) => openPkcs11MasterKey({ ...source, module, ...overrides })
  const knownKey = await openKey({ keyLabel: 'known' })
  t.equal(knownKey.derive(KEY_BLOCK_PROTECTION, 32).toString('hex').toUpperCase(), vectors[2]?.derived)
  const beside = await openKey({ keyLabel: 'known' })
  t.same(beside.derive('one', 100), knownKey.derive('one', 100))
  beside.close()
  t.ok(knownKey.derive('one', 32), 'not disturbed by another that let go')
  knownKey.close()

  const master = await openKey({})
  const derived = master.derive(KEY_BLOCK_PROTECTION, 32)
  master.close()
  t.notOk(derived.equals(bytes(vectors[2]?.derived)))
  for (const [overrides, message] of [
    [{ pin: '000000' }, /CKR_PIN_INCORRECT/],
    [{ tokenLabel: 'other' }, /no tokens/],
    [{ keyLabel: 'other' }, /no secret keys/],
    [{ keyLabel: 'short' }, /not an AES-256 key/],
    [{ keyLabel: 'twice' }, /several secret keys/],
    [{ keyLabel: 'leaving' }, /could leave/],
  ] as const) {
    await t.rejects(openKey(overrides), { code: 'CONFIG_INVALID', message })
  }

  // As a program does it: open, derive, end without letting go.
  const file = new URL('../../src/security/master-key.ts', import.meta.url).href
  const code = `
    const { loadMasterKey } = await import(${JSON.stringify(file)})
    const key = await loadMasterKey(${JSON.stringify({ ...none, pkcs11: { ...source, module } })})
    console.log(key.derive(${JSON.stringify(KEY_BLOCK_PROTECTION)}, 32).toString('hex'))`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  t.equal(run.stdout.trim(), derived.toString('hex'), 'the same in another process')
  t.equal(run.status, 0, run.stderr)
})
