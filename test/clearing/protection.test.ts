import { execFileSync, spawnSync } from 'node:child_process'
import { constants, createCipheriv, createHash, publicEncrypt, randomBytes, sign } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import forge from 'node-forge'
import { type Test, test } from 'tap'
import {
  encode,
  integer,
  type Node,
  nothing,
  octets,
  oid,
  oids,
  sequence,
  setOf,
  tagged,
} from '../../src/clearing/protection/asn1.ts'
import { certificatePem, issuerAndSerial, requireUsage } from '../../src/clearing/protection/certificate.ts'
import {
  decryptFile,
  digestFile,
  encryptFile,
  removeClear,
  SIGNATURE_SUFFIX,
  verifyFile,
  writeSignature,
} from '../../src/clearing/protection/files.ts'
import { keySeal } from '../../src/clearing/protection/key-seal.ts'
import { ProtectionRefusal, type RefusalReason } from '../../src/clearing/protection/refusal.ts'
import { makeRsaKey, selfSigned } from '../../src/clearing/protection/self-signed.ts'
import { masterKeyOf } from '../../src/security/master-key.ts'

const DAY_MS = 86_400_000
const nowMs = Date.UTC(2026, 10, 22, 20)
const hasOpenssl = spawnSync('openssl', ['cms', '-help']).status === 0
const skipOpenssl = hasOpenssl ? false : 'the openssl command is not installed'

/** Keys are made once: they take longer than all else here. */
const keys = await Promise.all(Array.from({ length: 2 }, () => makeRsaKey(2_048)))
const [oneKey, otherKey] = keys as [(typeof keys)[0] & object, (typeof keys)[0] & object]

function partner(name: string, purpose: 'sign' | 'encrypt', { key = oneKey, fromDays = -1, toDays = 365 } = {}) {
  const validFromMs = nowMs + fromDays * DAY_MS
  const request = { name, organization: 'Tests', purpose, validFromMs, validToMs: nowMs + toDays * DAY_MS }
  return { certificate: selfSigned(key, request), privateKey: key }
}

const signer = partner('signer', 'sign')
const receiver = partner('receiver', 'encrypt')
const stranger = partner('stranger', 'encrypt', { key: otherKey })

function folderOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-protection-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function fileOf(folder: string, bytes: Uint8Array, name = 'UC.CTF.TEST.20261122.1.001'): string {
  const file = path.join(folder, name)
  writeFileSync(file, bytes)
  return file
}

async function refusedFor(t: Test, work: Promise<unknown>, reason: RefusalReason, what: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ProtectionRefusal)) throw error ?? new Error(`${what}: it was taken`)
  t.equal(error.reason, reason, what)
}

async function signed(folder: string, bytes: Uint8Array, by = signer): Promise<string> {
  const file = fileOf(folder, bytes)
  await writeSignature(file, (await digestFile(file)).sha256, by)
  return file
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

async function encrypted(folder: string, bytes: Uint8Array, cipher?: 'aes-256-gcm' | 'aes-256-cbc') {
  const file = fileOf(folder, bytes)
  const target = `${file}.p7m`
  const recipients = [receiver.certificate]
  await encryptFile(file, target, { recipients, expected: sha256(bytes), ...(cipher === undefined ? {} : { cipher }) })
  return target
}

test('a signature is the same each time, and says who signed which bytes', async (t) => {
  const folder = folderOf(t)
  const file = await signed(folder, randomBytes(300_000))
  const first = readFileSync(file + SIGNATURE_SUFFIX)
  await writeSignature(file, (await digestFile(file)).sha256, signer)
  t.same(readFileSync(file + SIGNATURE_SUFFIX), first)
  const found = await verifyFile(file, file + SIGNATURE_SUFFIX, [stranger.certificate, signer.certificate], nowMs)
  t.equal(found.fingerprint, signer.certificate.fingerprint)
})

test('a signature is refused for exactly what is wrong with it', async (t) => {
  const folder = folderOf(t)
  const bytes = randomBytes(5_000)
  const file = await signed(folder, bytes)
  const p7s = file + SIGNATURE_SUFFIX
  const good = readFileSync(p7s)
  const known = [signer.certificate]
  const verifyNow = (by = known, atMs = nowMs) => verifyFile(file, p7s, by, atMs)
  await refusedFor(t, verifyNow([stranger.certificate]), 'unknown-signer', 'of nobody who is known')
  await refusedFor(t, verifyNow(known, nowMs + 400 * DAY_MS), 'expired', 'after the end of the certificate')
  await refusedFor(t, verifyNow(known, nowMs - 2 * DAY_MS), 'not-yet-valid', 'before its beginning')
  const impostor = { ...signer.certificate, publicKey: stranger.certificate.publicKey }
  await refusedFor(t, verifyNow([impostor]), 'wrong-signature', 'by another key of the same name')
  writeFileSync(p7s, good.subarray(0, good.length - 1))
  await refusedFor(t, verifyNow(), 'cut', 'one byte short')
  writeFileSync(p7s, '')
  await refusedFor(t, verifyNow(), 'cut', 'empty')
  writeFileSync(p7s, Buffer.concat([good, Buffer.of(0)]))
  await refusedFor(t, verifyNow(), 'trailing-bytes', 'one byte more')
  writeFileSync(p7s, good.fill(good.at(-1) === 1 ? 2 : 1, good.length - 1))
  await refusedFor(t, verifyNow(), 'wrong-signature', 'its last byte changed')
  writeFileSync(p7s, 'no signature at all')
  await refusedFor(t, verifyNow(), 'cut', 'text')
  const again = await signed(folder, bytes)
  fileOf(folder, bytes.fill((bytes[2_500] as number) ^ 1, 2_500, 2_501))
  await refusedFor(t, verifyFile(again, p7s, known, nowMs), 'altered', 'one bit of the file changed')
  const sealer = partner('sealer', 'encrypt')
  await signed(folder, bytes, sealer)
  await refusedFor(t, verifyNow([sealer.certificate]), 'key-usage', 'by a key that is for encryption')
  await t.rejects(verifyFile(file, `${file}.none`, known, nowMs), { code: 'NOT_FOUND' })
})

/** A signature with attributes and parameters as somebody else might make it. */
function crafted(
  attributes: Node[],
  {
    scheme = sequence(oid(oids.rsaEncryption), nothing()),
    saltBytes = -1,
    version = 1,
    name = issuerAndSerial(signer.certificate),
  } = {},
) {
  const { privateKey } = signer
  const content = encode(setOf(...attributes))
  const padding =
    saltBytes < 0
      ? { padding: constants.RSA_PKCS1_PADDING }
      : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: saltBytes }
  const sha = () => sequence(oid(oids.sha256), nothing())
  const info = sequence(
    integer(version),
    name,
    sha(),
    tagged(0, ...attributes),
    scheme,
    octets(sign('sha256', content, { key: privateKey, ...padding })),
  )
  const data = sequence(integer(1), setOf(sha()), sequence(oid(oids.data)), setOf(info))
  return encode(sequence(oid(oids.signedData), tagged(0, data)))
}

test('a signature in which readers might each see something else is refused', async (t) => {
  const folder = folderOf(t)
  const file = fileOf(folder, Buffer.from('the day'))
  const p7s = file + SIGNATURE_SUFFIX
  const attribute = (type: string, ...values: Node[]) => sequence(oid(type), setOf(...values))
  const type = attribute(oids.contentType, oid(oids.data))
  const right = octets(sha256(Buffer.from('the day')))
  const other = octets(sha256(Buffer.from('another day')))
  const verifyNow = (known = [signer.certificate]) => verifyFile(file, p7s, known, nowMs)
  writeFileSync(p7s, crafted([type, attribute(oids.messageDigest, right)]))
  t.equal((await verifyNow()).fingerprint, signer.certificate.fingerprint, 'as it should be')
  const impostor = { ...signer.certificate, publicKey: stranger.certificate.publicKey }
  const found = await verifyNow([impostor, signer.certificate])
  t.equal(found.fingerprint, signer.certificate.fingerprint, 'one of two certificates with one name and number')
  for (const [what, attributes] of [
    ['two digests in one attribute', [type, attribute(oids.messageDigest, right, other)]],
    [
      'two attributes with a digest',
      [type, attribute(oids.messageDigest, right), attribute(oids.messageDigest, other)],
    ],
    ['two types', [type, attribute(oids.contentType, oid(oids.signedData)), attribute(oids.messageDigest, right)]],
    ['another type', [attribute(oids.contentType, oid(oids.signedData)), attribute(oids.messageDigest, right)]],
    ['no type', [attribute(oids.messageDigest, right)]],
    ['no digest', [type]],
    ['a short digest', [type, attribute(oids.messageDigest, octets(Buffer.alloc(20)))]],
  ] as const) {
    writeFileSync(p7s, crafted([...attributes]))
    await refusedFor(t, verifyNow(), 'not-cms', what)
  }
  const sha = () => sequence(oid(oids.sha256), nothing())
  const pss = (salt: number) =>
    sequence(
      oid(oids.rsaPss),
      sequence(tagged(0, sha()), tagged(1, sequence(oid(oids.mgf1), sha())), tagged(2, integer(salt))),
    )
  const attributes = [type, attribute(oids.messageDigest, right)]
  writeFileSync(p7s, crafted(attributes, { scheme: pss(32), saltBytes: 32 }))
  t.ok(await verifyNow(), 'PSS')
  writeFileSync(p7s, crafted(attributes, { scheme: pss(-2), saltBytes: 10 }))
  await refusedFor(t, verifyNow(), 'not-cms', 'PSS with any salt')
})

/** A name by key identifier: an OCTET STRING under the tag 0 in place of its own. */
function byKeyId({ certificate }: typeof signer, bytes = certificate.keyId ?? Buffer.alloc(0)): Node {
  const { asn1: der } = forge
  return der.create(der.Class.CONTEXT_SPECIFIC, 0 as forge.asn1.Type, false, bytes.toString('latin1'))
}

test('who signed may be named by the identifier of the key', async (t) => {
  const folder = folderOf(t)
  const file = fileOf(folder, Buffer.from('the day'))
  const p7s = file + SIGNATURE_SUFFIX
  const type = sequence(oid(oids.contentType), setOf(oid(oids.data)))
  const attributes = [type, sequence(oid(oids.messageDigest), setOf(octets(sha256(Buffer.from('the day')))))]
  const verifyNow = (known = [stranger.certificate, signer.certificate]) => verifyFile(file, p7s, known, nowMs)
  writeFileSync(p7s, crafted(attributes, { version: 3, name: byKeyId(signer) }))
  t.equal((await verifyNow()).fingerprint, signer.certificate.fingerprint)
  await refusedFor(t, verifyNow([stranger.certificate]), 'unknown-signer', 'of nobody who is known')
  await refusedFor(t, verifyNow([{ ...signer.certificate, keyId: undefined }]), 'unknown-signer', 'without identifier')
  const impostor = { ...signer.certificate, publicKey: stranger.certificate.publicKey }
  await refusedFor(t, verifyNow([impostor]), 'wrong-signature', 'another key that calls itself the same')
  for (const [what, made] of [
    ['named by number in the version of identifiers', { version: 3 }],
    ['named by identifier in the version of numbers', { version: 1, name: byKeyId(signer) }],
    ['no identifier', { version: 3, name: byKeyId(signer, Buffer.alloc(0)) }],
    ['a long identifier', { version: 3, name: byKeyId(signer, Buffer.alloc(65)) }],
    ['a version that is none', { version: 2 }],
  ] as const) {
    writeFileSync(p7s, crafted(attributes, made))
    await refusedFor(t, verifyNow(), 'not-cms', what)
  }
})

test('for whom a file is encrypted may be named by the identifier of the key', async (t) => {
  const folder = folderOf(t)
  const clear = path.join(folder, 'clear')
  const bytes = randomBytes(1_000)
  const file = fileOf(folder, bytes, 'theirs.p7m')
  const envelope = (to: typeof signer, version = 2, name = byKeyId(to)) => {
    const [key, iv] = [randomBytes(32), randomBytes(16)]
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const encrypted = publicEncrypt({ key: to.certificate.publicKey, padding, oaepHash: 'sha256' }, key)
    const hash = () => sequence(oid(oids.sha256))
    const oaep = sequence(tagged(0, hash()), tagged(1, sequence(oid(oids.mgf1), hash())))
    const info = sequence(integer(version), name, sequence(oid(oids.rsaOaep), oaep), octets(encrypted))
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    const content = octets(Buffer.concat([cipher.update(bytes), cipher.final()]))
    const algorithm = sequence(oid(oids.aes256Cbc), octets(iv))
    const data = sequence(integer(2), setOf(info), sequence(oid(oids.data), algorithm, tagged(0, content)))
    writeFileSync(file, encode(sequence(oid(oids.envelopedData), tagged(0, data))))
  }
  envelope(receiver)
  const opened = await decryptFile(file, clear, [stranger, receiver])
  t.ok(readFileSync(clear).equals(bytes))
  t.equal(opened.recipient.certificate.fingerprint, receiver.certificate.fingerprint)
  t.same(opened.named, [{ keyId: receiver.certificate.keyId }])
  await refusedFor(t, decryptFile(file, clear, [stranger]), 'not-for-us', 'for another key')
  envelope(receiver, 0)
  await refusedFor(t, decryptFile(file, clear, [receiver]), 'not-cms', 'in the version of numbers')
  envelope(receiver, 2, issuerAndSerial(receiver.certificate))
  await refusedFor(t, decryptFile(file, clear, [receiver]), 'not-cms', 'in the version of identifiers')
})

test('any byte changed anywhere in a signature is refused', async (t) => {
  const folder = folderOf(t)
  const file = await signed(folder, Buffer.from('the day'))
  const p7s = file + SIGNATURE_SUFFIX
  const good = readFileSync(p7s)
  const digest = sha256(Buffer.from('the day'))
  const certificate = signer.certificate.der
  const at = good.indexOf(certificate)
  t.ok(at > 0, 'the certificate travels along')
  for (let byte = 0; byte < good.length; byte += 3) {
    // The certificate that travels along is a help for others; ours is the one that is pinned.
    if (byte >= at && byte < at + certificate.length) continue
    const changed = Buffer.from(good)
    changed[byte] = (changed[byte] as number) ^ 0x55
    writeFileSync(p7s, changed)
    const outcome = await verifyFile(file, p7s, [signer.certificate], nowMs, digest).then(
      () => 'taken',
      (error: unknown) => (error instanceof ProtectionRefusal ? 'refused' : `threw ${String(error)}`),
    )
    // Of the outer version and digest list nothing depends.
    if (outcome !== 'refused' && !(outcome === 'taken' && byte < at)) t.fail(`byte ${byte}: ${outcome}`)
  }
})

test('what is encrypted opens to the same bytes, for files of every shape', async (t) => {
  const folder = folderOf(t)
  for (const cipher of ['aes-256-gcm', 'aes-256-cbc'] as const) {
    for (const size of [0, 1, 15, 16, 17, 127, 128, 262_143, 262_144, 262_145, 1_000_000]) {
      const bytes = randomBytes(size)
      const target = await encrypted(folder, bytes, cipher)
      const clear = path.join(folder, 'clear')
      const found = await decryptFile(target, clear, [stranger, receiver])
      if (!readFileSync(clear).equals(bytes)) t.fail(`${cipher}, ${size} bytes`)
      t.equal(found.recipient.certificate.fingerprint, receiver.certificate.fingerprint)
      t.same([found.bytes, found.sha256, found.isAuthenticated], [size, sha256(bytes), cipher === 'aes-256-gcm'])
    }
  }
})

test('an encrypted file is refused for exactly what is wrong with it, and leaves nothing', async (t) => {
  const folder = folderOf(t)
  const bytes = randomBytes(70_000)
  const target = await encrypted(folder, bytes)
  const good = readFileSync(target)
  const clear = path.join(folder, 'clear')
  const openWith = (content: Buffer, by = [receiver]) => {
    writeFileSync(target, content)
    return decryptFile(target, clear, by)
  }
  await refusedFor(t, openWith(good, [stranger]), 'not-for-us', 'for another')
  const sameName = { ...receiver, privateKey: otherKey }
  await refusedFor(t, openWith(good, [sameName]), 'wrong-key', 'with another key of the same name')
  for (const length of [1, 40, 600, good.length - 30, good.length - 2, good.length - 1]) {
    await refusedFor(t, openWith(good.subarray(0, length)), 'cut', `cut to ${length} bytes`)
  }
  await refusedFor(t, openWith(Buffer.concat([good, Buffer.of(0)])), 'trailing-bytes', 'one byte more')
  const altered = Buffer.from(good)
  altered[30_000] = (altered[30_000] as number) ^ 1
  await refusedFor(t, openWith(altered), 'altered', 'one bit of the content')
  const cipher = encode(oid(oids.aes256Gcm))
  const at = good.indexOf(cipher)
  // Behind it: parameters of 17 bytes, a nonce of 12 and the length of the tag. Here the nonce is empty.
  const head = Buffer.concat([Buffer.of(0x30, cipher.length + 7), cipher, Buffer.of(0x30, 5, 4, 0, 2, 1, 16)])
  const empty = Buffer.concat([good.subarray(0, at - 2), head, good.subarray(at + cipher.length + 19)])
  await refusedFor(t, openWith(empty), 'not-cms', 'no nonce')
  await refusedFor(t, openWith(Buffer.from('UC.CTF, in clear')), 'not-cms', 'a clear file')
  await t.rejects(decryptFile(await encrypted(folder, bytes), clear, [receiver], { bytesMax: 69_999 }), {
    code: 'BAD_INPUT',
  })
  t.notOk(existsSync(clear))
  const recipients = [receiver.certificate]
  const file = fileOf(folder, bytes)
  const late = `${file}.late`
  const other = encryptFile(file, late, { recipients, expected: sha256(Buffer.from('x')) })
  await refusedFor(t, other, 'altered', 'another file than was written')
  t.notOk(existsSync(late))
  await removeClear(file)
  await removeClear(file)
  t.notOk(existsSync(file))
})

test('no change of an encrypted file is taken', async (t) => {
  const folder = folderOf(t)
  const target = await encrypted(folder, randomBytes(900))
  const good = readFileSync(target)
  const clear = path.join(folder, 'clear')
  const change = fc.record({ at: fc.nat({ max: good.length - 1 }), to: fc.integer({ min: 1, max: 255 }) })
  await fc.assert(
    fc.asyncProperty(change, async ({ at, to }) => {
      const changed = Buffer.from(good)
      changed[at] = (changed[at] as number) ^ to
      writeFileSync(target, changed)
      const outcome = await decryptFile(target, clear, [receiver]).then(
        () => 'taken',
        (error: unknown) => (error instanceof ProtectionRefusal ? 'refused' : String(error)),
      )
      // A version, and the type of what is inside, change nothing about the content.
      if (outcome === 'taken') return readFileSync(clear).length === 900
      return outcome === 'refused'
    }),
    { numRuns: 300 },
  )
})

test('the openssl command reads what is written here', { skip: skipOpenssl }, async (t) => {
  const folder = folderOf(t)
  const bytes = randomBytes(400_000)
  const file = await signed(folder, bytes)
  // While two of ours are in use, the signature says itself which of them it is by.
  const pem = path.join(folder, 'signer.pem')
  const before = partner('signer', 'sign', { key: otherKey })
  writeFileSync(pem, certificatePem(before.certificate) + certificatePem(signer.certificate))
  const verify = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', file + SIGNATURE_SUFFIX, '-content', file]
  const trust = ['-CAfile', pem, '-partial_chain', '-purpose', 'any', '-no_check_time']
  execFileSync('openssl', [...verify, ...trust, '-out', path.join(folder, 'out')], { stdio: 'pipe' })
  const keyFile = path.join(folder, 'key.pem')
  writeFileSync(keyFile, oneKey.export({ type: 'pkcs8', format: 'pem' }))
  const certFile = path.join(folder, 'receiver.pem')
  writeFileSync(certFile, certificatePem(receiver.certificate))
  for (const cipher of ['aes-256-gcm', 'aes-256-cbc'] as const) {
    const target = await encrypted(folder, bytes, cipher)
    const out = path.join(folder, 'opened')
    const args = ['-inform', 'DER', '-in', target, '-inkey', keyFile, '-recip', certFile, '-out', out, '-binary']
    execFileSync('openssl', ['cms', '-decrypt', ...args], { stdio: 'pipe' })
    t.ok(readFileSync(out).equals(bytes), cipher)
  }
})

test('what the openssl command writes is read here', { skip: skipOpenssl }, async (t) => {
  const folder = folderOf(t)
  const bytes = randomBytes(300_000)
  const file = fileOf(folder, bytes)
  const keyFile = path.join(folder, 'key.pem')
  writeFileSync(keyFile, oneKey.export({ type: 'pkcs8', format: 'pem' }))
  const certFile = path.join(folder, 'cert.pem')
  writeFileSync(certFile, certificatePem(signer.certificate))
  const p7s = path.join(folder, 'theirs.p7s')
  const run = (...args: string[]) => execFileSync('openssl', ['cms', ...args], { stdio: 'pipe' })
  const by = ['-binary', '-in', file, '-signer', certFile, '-inkey', keyFile, '-md', 'sha256', '-out', p7s]
  const pss = ['-keyopt', 'rsa_padding_mode:pss', '-keyopt', 'rsa_pss_saltlen:32']
  for (const how of [
    ['-outform', 'DER'],
    ['-outform', 'PEM'],
    ['-outform', 'DER', '-keyid'],
    ['-outform', 'DER', ...pss],
  ]) {
    run('-sign', ...by, ...how)
    const found = await verifyFile(file, p7s, [signer.certificate], nowMs)
    t.equal(found.subject, signer.certificate.subject, how.join(' '))
  }
  run('-sign', '-nodetach', ...by, '-outform', 'DER')
  await refusedFor(t, verifyFile(file, p7s, [signer.certificate], nowMs), 'not-cms', 'too long: it is not detached')
  writeFileSync(certFile, certificatePem(receiver.certificate))
  const p7m = path.join(folder, 'theirs.p7m')
  const clear = path.join(folder, 'clear')
  const oaep = ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256']
  for (const how of [['-aes-256-gcm'], ['-aes-256-cbc'], ['-aes-256-gcm', '-stream'], ['-aes-256-gcm', '-keyid']]) {
    const cipher = how.filter((one) => one !== '-stream')
    const stream = how.filter((one) => one === '-stream')
    const to = ['-binary', '-in', file, '-outform', 'DER', '-out', p7m, ...stream, ...cipher, '-recip', certFile]
    run('-encrypt', ...to, ...oaep)
    await decryptFile(p7m, clear, [receiver])
    t.ok(readFileSync(clear).equals(bytes), how.join(' '))
  }
  run('-encrypt', '-binary', '-in', file, '-outform', 'DER', '-out', p7m, '-aes-256-cbc', certFile)
  await refusedFor(t, decryptFile(p7m, clear, [receiver]), 'unsupported', 'a key under PKCS #1 v1.5')
})

test('node-forge reads both as PKCS #7', async (t) => {
  const folder = folderOf(t)
  const bytes = Buffer.from('0100 items')
  const file = await signed(folder, bytes)
  const der = readFileSync(file + SIGNATURE_SUFFIX).toString('latin1')
  const message = forge.pkcs7.messageFromAsn1(forge.asn1.fromDer(der)) as unknown as {
    certificates: { serialNumber: string }[]
    rawCapture: { signature: string; authenticatedAttributes: forge.asn1.Asn1[] }
  }
  const serials = message.certificates.map(({ serialNumber }) => serialNumber)
  t.same(serials, [signer.certificate.serial.toString('hex')])
  const { rawCapture } = message
  const attributes = forge.asn1.create(0, forge.asn1.Type.SET, true, rawCapture.authenticatedAttributes)
  const md = forge.md.sha256.create().update(forge.asn1.toDer(attributes).getBytes())
  const publicKey = forge.pki.certificateFromPem(certificatePem(signer.certificate))
    .publicKey as forge.pki.rsa.PublicKey
  t.ok(publicKey.verify(md.digest().getBytes(), rawCapture.signature))
})

test('a private key rests under the master key, bound to its certificate', (t) => {
  const seal = keySeal(masterKeyOf(randomBytes(32), 'a test'))
  const { fingerprint } = signer.certificate
  const sealed = seal.seal(oneKey, fingerprint)
  t.ok(seal.open(sealed, fingerprint).equals(oneKey))
  t.equal(sealed.indexOf(oneKey.export({ type: 'pkcs8', format: 'der' }).subarray(40, 80)), -1)
  t.throws(() => seal.open(sealed, stranger.certificate.fingerprint), { code: 'CRYPTO_REFUSED' })
  t.throws(() => keySeal(masterKeyOf(randomBytes(32), 'another')).open(sealed, fingerprint), { code: 'CRYPTO_REFUSED' })
  t.throws(() => requireUsage(signer.certificate, 'encrypt'), { code: 'CRYPTO_REFUSED' })
  t.end()
})
