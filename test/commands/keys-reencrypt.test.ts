import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { reencryptPansCommand } from '../../src/commands/keys-reencrypt.ts'
import { describeError } from '../../src/errors.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { KEY_BLOCK_PROTECTION, masterKeyOf } from '../../src/security/master-key.ts'
import { type PanProtection, panProtection } from '../../src/security/pan-protection.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { saveKeys } from '../../src/store/key-store.ts'
import { createTestDatabase } from '../support/database.ts'
import { panKeysOf } from '../support/pan-keys.ts'

const MASTER_KEY = '3c'.repeat(32)
const CARDS = 25
const panOf = (id: number) => `40000088${String(id).padStart(8, '0')}`

/** Runs the command in this process; the exit status of the test's own process stays as it was. */
async function run(args: readonly string[], url: string, folder: string, masterKey = MASTER_KEY) {
  let out = ''
  let errors = ''
  const io: CommandIo = {
    ...processIo,
    env: { DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: masterKey },
    out: (text) => {
      out += text
    },
    note: (text) => {
      errors += text
    },
  }
  const before = process.exitCode
  process.exitCode = 0
  try {
    await reencryptPansCommand(io).parseAsync(args, { from: 'user' })
    return { status: process.exitCode, out, errors }
  } catch (error) {
    return { status: 1, out, errors: errors + describeError(error) }
  } finally {
    process.exitCode = before
  }
}

async function addCards(client: Client, protection: PanProtection): Promise<void> {
  await client.query(
    "insert into household (lane, id, governorate, closed_month, old_ration_card) values (0, 1, 'C', 202610, 'none')",
  )
  for (let id = 1; id <= CARDS; id++) {
    const { bytes, keyVersion } = protection.encrypt(panOf(id))
    await client.query(
      `insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry, sequence_number,
         service_code, status) values (0, $1, 1, 'family', $2, 'masked', $3, $4, '2912', '01', '221', 'active')`,
      [id, Buffer.from(protection.index(panOf(id)), 'latin1'), bytes, keyVersion],
    )
  }
}

t.test('mizan keys reencrypt-pans', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-reencrypt-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const ring = new KeyRing(masterKeyOf(Buffer.from(MASTER_KEY, 'hex'), 'test').derive(KEY_BLOCK_PROTECTION, 32))
  const keys = panKeysOf(ring, 'the command', 2)
  const [indexKey, first, second] = keys
  if (indexKey === undefined || first === undefined || second === undefined) throw new Error('no keys')
  ring.load(keys)
  const protection = panProtection(ring, () => Date.now())
  const mizan = (...args: string[]) => run(args, url, folder)

  const none = await mizan()
  t.equal(none.status, 1)
  t.match(none.errors, /no key pan-/)

  const insert = (key: typeof first) => saveKeys(client, [{ kind: 'insert', key }], { user: 'test' })
  await insert(indexKey)
  await insert(first)
  ring.load([indexKey, first])
  await addCards(client, protection)
  t.match(await mizan(), { status: 0, out: /^0 card numbers .* version 1\nnone is under another version/, errors: '' })

  await insert(second)
  await client.query('update card set key_version = 7 where id = 3')
  const broken = await mizan('--batch', '10', '--pause-ms', '0', '--json')
  t.equal(broken.status, 1)
  const result = JSON.parse(broken.out)
  t.match(result, {
    keyVersion: 2,
    reencrypted: 24,
    remaining: 1,
    unreadable: 1,
    examples: [{ cardId: 3, keyVersion: 7 }],
  })
  t.match(broken.errors, /^10 of 25 card numbers\n25 of 25 card numbers\ncard 3 of lane 0, under version 7: .*\n$/)
  t.notMatch(broken.out + broken.errors, /40000088/)
  await client.query('update card set key_version = 1 where id = 3')
  t.match(await mizan(), { status: 0, out: /^1 card numbers are now under pan-encryption version 2\nnone/ })

  ring.load(keys)
  const { rows } = await client.query<{ id: string; pan_encrypted: Buffer; pan_index: Buffer; key_version: number }>(
    'select id, pan_encrypted, pan_index, key_version from card order by id',
  )
  for (const { id, pan_encrypted: bytes, pan_index: index, key_version: keyVersion } of rows) {
    t.equal(keyVersion, 2)
    t.equal(protection.decrypt({ keyVersion, bytes }, index), panOf(Number(id)))
  }
  t.equal(rows.length, CARDS)

  const other = await run([], url, folder, '4d'.repeat(32))
  t.equal(other.status, 1)
  t.match(other.errors, /key block is refused/, 'another master key')
  for (const args of [
    ['--batch', '0'],
    ['--batch', '10001'],
    ['--batch', 'x'],
    ['--pause-ms', '-1'],
    ['--pause-ms', '1.5'],
  ]) {
    const refused = await mizan(...args)
    t.equal(refused.status, 1)
    t.match(refused.errors, /is not a number from/)
  }
})
