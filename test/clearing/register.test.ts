import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { unfinishedName, writeAtomically } from '../../src/clearing/atomic-file.ts'
import { fileEvents, noteFileEvent } from '../../src/store/clearing/file-events.ts'
import {
  listAllFiles,
  listFiles,
  moveFile,
  type NewFile,
  recordWritten,
  registerFile,
} from '../../src/store/clearing/files.ts'
import { connect } from '../../src/store/connection.ts'
import { createTestDatabase } from '../support/database.ts'

/** Folders that were opened to be written to the disk. */
async function foldersSynced(work: () => Promise<unknown>): Promise<string[]> {
  const { open } = fs
  const opened: string[] = []
  fs.open = (async (name: string, flags: string, mode?: number) => {
    if (flags === 'r') opened.push(name)
    return await open(name, flags, mode)
  }) as typeof open
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    fs.open = open
    syncBuiltinESMExports()
  }
  return opened
}

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const date = 20261122 as CivilDate
const key: NewFile = {
  direction: 'out',
  type: 'CTF',
  institution: '400000',
  businessDate: date,
  cycle: 1,
  sequence: 1,
  state: 'selected',
}

t.test('a file is there whole or not at all', async (t) => {
  const folder = t.testdir()
  const file = path.join(folder, 'out', 'a.txt')
  const whole = Buffer.alloc(3_500_000, 'abcdefg')
  const written = await writeAtomically(file, async (sink) => {
    for (let from = 0; from < whole.length; from += 999_983) await sink.write(whole.subarray(from, from + 999_983))
    await sink.text('é end')
  })
  const bytes = readFileSync(file)
  t.same(bytes, Buffer.concat([whole, Buffer.from('é end')]))
  t.same(written, { bytes: bytes.length, sha256: hashOf(bytes) })
  t.equal(statSync(file).mode & 0o777, 0o600)
  // What a crash left is overwritten, not added to.
  writeFileSync(unfinishedName(file), 'x'.repeat(5_000_000))
  await writeAtomically(file, async (sink) => void (await sink.text('short')))
  t.equal(readFileSync(file, 'utf8'), 'short')
  const failing = writeAtomically(file, async (sink) => {
    await sink.text('half')
    throw new Error('the cursor broke')
  })
  await t.rejects(failing, { message: 'the cursor broke' })
  t.same(
    await foldersSynced(() => writeAtomically(path.join(folder, 'in', 'deep', 'b.txt'), async () => undefined)),
    [path.join(folder, 'in'), folder, path.join(folder, 'in', 'deep')],
    'a folder that was made lasts, with those it lies in',
  )
  t.equal(readFileSync(file, 'utf8'), 'short')
  t.same(readdirSync(path.dirname(file)), ['a.txt'])
  t.notOk(existsSync(unfinishedName(file)))
})

t.test('the register of files', async (t) => {
  const { url } = await createTestDatabase(t)
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const content = {
    bytes: 5,
    sha256: hashOf(Buffer.from('bytes')),
    records: 2,
    items: 0,
    grossPiasters: 0n,
    totals: {},
  }

  const made = await registerFile(client, key, 'test')
  t.match(made, { name: 'UC.CTF.400000.20261122.1.001', path: 'out/2026-11-22/UC.CTF.400000.20261122.1.001' })
  t.equal((await registerFile(client, key, 'test')).id, made.id, 'a step that is run again gets the same file')
  t.equal((await recordWritten(client, made.id, content, 'test')).state, 'written')
  t.equal((await recordWritten(client, made.id, content, 'test')).state, 'written')
  const other = { ...content, sha256: hashOf(Buffer.from('other')) }
  await t.rejects(recordWritten(client, made.id, other, 'test'), { code: 'CONFLICT' })
  await t.rejects(registerFile(client, { ...key, content: other }, 'test'), { code: 'CONFLICT' })

  const release = { from: ['signed'], to: 'released', action: 'released', actor: 'user:b' } as const
  await t.rejects(moveFile(client, made.id, release), {
    code: 'CONFLICT',
    message: /is written; released needs signed/,
  })
  await moveFile(client, made.id, { from: ['written'], to: 'signed', action: 'signed', actor: 'sign' })
  await moveFile(client, made.id, release)
  t.equal((await moveFile(client, made.id, release)).state, 'released')
  await noteFileEvent(client, made.id, { action: 'delivery-attempt', actor: 'deliver', detail: { attempt: 1 } })
  t.same(
    (await fileEvents(client, made.id)).map(({ action, from, to }) => [action, from, to]),
    [
      ['registered', undefined, 'selected'],
      ['written', 'selected', 'written'],
      ['signed', 'written', 'signed'],
      ['released', 'signed', 'released'],
      ['delivery-attempt', undefined, undefined],
    ],
  )
  const incoming = { ...key, direction: 'in', type: 'ITF', name: 'itf-1', path: 'in/itf-1', state: 'received' } as const
  await registerFile(client, { ...incoming, content }, 'receive')
  t.same(
    (await listFiles(client, { businessDate: date, direction: 'in' })).map(({ name }) => name),
    ['itf-1'],
  )
  await client.query(
    `insert into clearing_file (direction, type, institution, business_date, cycle, sequence, name, path, state)
     select 'out', 'PAY', 'B' || n / 900, $1, 1, 1 + n % 900, 'many-' || n, 'out/many-' || n, 'selected' from generate_series(1, 1005) n`,
    ['2026-11-22'],
  )
  t.equal((await listFiles(client, { types: ['PAY'] })).length, 1_000, 'a page')
  t.equal(new Set((await listAllFiles(client, { types: ['PAY'] })).map(({ id }) => id)).size, 1_005)
  await t.rejects(client.query('delete from clearing_file_event'), { code: '42501' })
  await t.rejects(client.query(`update clearing_file set name = 'x'`), { code: '42501' })
})
