import { createHmac } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { KEY_BLOCK_PROTECTION, loadMasterKey, masterKeyOf } from '../../src/security/master-key.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-master-key-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const hex = '8f'.repeat(16) + '07'.repeat(16)
const none = { hex: undefined, file: undefined, generateAt: undefined }
const invalid = { code: 'CONFIG_INVALID' }

let files = 0
function fileOf(text: string, mode = 0o600): string {
  const file = path.join(folder, `key-${++files}`)
  writeFileSync(file, text, { mode })
  chmodSync(file, mode)
  return file
}

/** HKDF of RFC 5869 by its own words. */
function hkdf(key: Buffer, info: string, bytes: number): Buffer {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(key).digest()
  let block = Buffer.alloc(0)
  let output = Buffer.alloc(0)
  for (let counter = 1; output.length < bytes; counter++) {
    block = createHmac('sha256', extracted)
      .update(block)
      .update(info)
      .update(Buffer.from([counter]))
      .digest()
    output = Buffer.concat([output, block])
  }
  return output.subarray(0, bytes)
}

t.test('derives by HKDF-SHA256, for each purpose something else', async (t) => {
  const key = await loadMasterKey({ ...none, hex })
  for (const bytes of [1, 16, 32, 33, 100]) {
    t.same(key.derive('mizan pan index v1', bytes), hkdf(Buffer.from(hex, 'hex'), 'mizan pan index v1', bytes))
  }
  t.same(key.derive(KEY_BLOCK_PROTECTION, 32), key.derive(KEY_BLOCK_PROTECTION, 32))
  t.notOk(key.derive('one', 32).equals(key.derive('another', 32)))
  t.throws(() => key.derive('', 32), { code: 'ASSERTION_FAILED' })
  for (const bytes of [0, -1, 1.5, 255 * 32 + 1]) {
    t.throws(() => key.derive('one', bytes), { code: 'ASSERTION_FAILED' })
  }
})

t.test('a key in memory is a copy, and nothing shows it', async (t) => {
  const bytes = Buffer.from(hex, 'hex')
  const key = masterKeyOf(bytes, 'a test')
  const derived = key.derive('one', 32)
  bytes.fill(0)
  t.same(key.derive('one', 32), derived)
  t.equal(key.description, 'a test')
  t.notMatch(inspect(key, { depth: 9, showHidden: true }), /8f ?8f|143, 143/)
  t.throws(() => masterKeyOf(Buffer.alloc(31), 'a test'), { code: 'ASSERTION_FAILED' })
})

t.test('the environment first, then the file', async (t) => {
  const file = fileOf(`${'11'.repeat(32)}\n`)
  const fromFile = await loadMasterKey({ ...none, file })
  t.equal(fromFile.description, `the file ${file}`)
  t.same(fromFile.derive('one', 32), hkdf(Buffer.alloc(32, 0x11), 'one', 32))
  const both = await loadMasterKey({ ...none, hex: hex.toUpperCase(), file })
  t.same(both.derive('one', 32), hkdf(Buffer.from(hex, 'hex'), 'one', 32))
  t.equal(both.description, 'the variable MIZAN_MASTER_KEY')
  const token = { module: '/nowhere.so', tokenLabel: 'a', keyLabel: 'b', pin: '1' }
  await t.rejects(loadMasterKey({ ...none, hex, pkcs11: token }), { ...invalid, message: /no other one beside/ })
  await t.rejects(loadMasterKey({ ...none, file, pkcs11: token }), { ...invalid, message: /no other one beside/ })
})

t.test('what is not a key is refused, and not shown', async (t) => {
  const almost = hex.slice(2)
  for (const text of ['', almost, `${hex}00`, `${almost}zz`, `0x${almost}`, ` ${hex}`]) {
    const error = await loadMasterKey({ ...none, hex: text }).catch((thrown: unknown) => thrown)
    t.ok(error instanceof MizanError && error.code === 'CONFIG_INVALID')
    t.notMatch(inspect(error), /8f8f/)
  }
  for (const text of ['', almost, `${hex} ${hex}`, 'x'.repeat(5_000)]) {
    await t.rejects(loadMasterKey({ ...none, file: fileOf(text) }), invalid)
  }
})

t.test('a file that others may open, or that is none, is refused', async (t) => {
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666]) {
    await t.rejects(loadMasterKey({ ...none, file: fileOf(hex, mode) }), { ...invalid, message: /chmod 600/ })
  }
  for (const mode of [0o600, 0o400]) t.ok(await loadMasterKey({ ...none, file: fileOf(hex, mode) }))
  await t.rejects(loadMasterKey({ ...none, file: path.join(folder, 'nothing') }), {
    ...invalid,
    message: /cannot be read/,
  })
  await t.rejects(loadMasterKey({ ...none, file: folder }), invalid)
})

t.test('a key is generated once, for its owner only, and never in production', async (t) => {
  const generateAt = path.join(folder, 'var', 'keys', 'master.key')
  const first = await loadMasterKey({ ...none, generateAt })
  t.equal(statSync(generateAt).mode & 0o777, 0o600)
  t.match(readFileSync(generateAt, 'utf8'), /^[0-9a-f]{64}\n$/)
  t.same(readdirSync(path.dirname(generateAt)), ['master.key'])
  const second = await loadMasterKey({ ...none, generateAt })
  t.same(second.derive('one', 32), first.derive('one', 32))
  const other = await loadMasterKey({ ...none, generateAt: path.join(folder, 'other') })
  t.notOk(other.derive('one', 32).equals(first.derive('one', 32)))
  t.ok(await loadMasterKey({ ...none, hex, generateAt: path.join(folder, 'unused') }))
  t.notOk(existsSync(path.join(folder, 'unused')))

  chmodSync(generateAt, 0o644)
  await t.rejects(loadMasterKey({ ...none, generateAt }), { ...invalid, message: /chmod 600/ })
  await t.rejects(loadMasterKey(none), { ...invalid, message: /production needs a master key/ })
  mkdirSync(path.join(folder, 'blocked'))
  await t.rejects(loadMasterKey({ ...none, generateAt: path.join(folder, 'blocked') }), invalid)
})

t.test('programs that start at once come to one key', async (t) => {
  const module = new URL('../../src/security/master-key.ts', import.meta.url).href
  const code = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { loadMasterKey } = await import(workerData.module)
    parentPort.once('message', async () => {
      const key = await loadMasterKey({ hex: undefined, file: undefined, generateAt: workerData.generateAt })
      parentPort.postMessage(key.derive('one', 32).toString('hex'))
    })
    parentPort.postMessage('ready')`
  const generateAt = path.join(folder, 'race', 'master.key')
  const workers = Array.from(
    { length: 4 },
    () =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: { module, generateAt } }),
  )
  const next = (worker: Worker) =>
    new Promise<string>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await Promise.all(workers.map(next))
  const answers = Promise.all(workers.map(next))
  for (const worker of workers) worker.postMessage('go')
  const keys = new Set(await answers)
  t.equal(keys.size, 1)
  t.same(readdirSync(path.dirname(generateAt)), ['master.key'])
  await Promise.all(workers.map((worker) => worker.terminate()))
})
