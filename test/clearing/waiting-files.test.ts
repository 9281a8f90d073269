import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { isBankFileWaiting } from '../../src/clearing/bank/receive-folder.ts'
import { isFileWaiting } from '../../src/clearing/incoming/folder.ts'
import { CLEAR_SUFFIX } from '../../src/clearing/protection/keep-encrypted.ts'

t.test('a look at the folder tells files of the network from what is not for it', async (t) => {
  const folder = path.join(t.testdir({}), 'in')
  t.equal(await isFileWaiting(folder), false, 'a folder that is not there is made')
  for (const name of ['note.txt', 'statement.xml', 'half.ctf.part']) writeFileSync(path.join(folder, name), '')
  t.equal(await isFileWaiting(folder), false)
  writeFileSync(path.join(folder, 'one.ctf'), '')
  t.equal(await isFileWaiting(folder), true)
})

t.test('a file that was being kept when the program died is work', async (t) => {
  for (const kept of ['done', 'rejected']) {
    const folder = t.testdir({ [kept]: { 'old.ctf.p7m': '' } })
    t.equal(await isFileWaiting(folder), false)
    writeFileSync(path.join(folder, kept, `one.ctf${CLEAR_SUFFIX}`), '')
    t.equal(await isFileWaiting(folder), true, kept)
  }
})

t.test('files of banks are looked for in the clearing folder', async (t) => {
  const folder = t.testdir({})
  mkdirSync(path.join(folder, 'in'))
  writeFileSync(path.join(folder, 'in', '.hidden.xml'), '')
  writeFileSync(path.join(folder, 'in', 'one.ctf'), '')
  t.equal(await isBankFileWaiting(folder), false)
  writeFileSync(path.join(folder, 'in', 'one.XML'), '')
  t.equal(await isBankFileWaiting(folder), true)
})
