import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { writeAtomically } from '../../src/clearing/atomic-file.ts'

t.test('a full disk is told with the file, its folder and the way out', async (t) => {
  const folder = t.testdir()
  const file = path.join(folder, 'out', 'UC.SUB')
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  await t.rejects(
    writeAtomically(file, () => Promise.reject(full)),
    {
      code: 'DISK_FULL',
      message: /out\/UC\.SUB could not be written \(ENOSPC\): make room in .*out, then do the same again/,
    },
  )
  t.same(readdirSync(path.dirname(file)), [], 'nothing is left')
  const other = Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
  await t.rejects(
    writeAtomically(file, () => Promise.reject(other)),
    { code: 'EIO' },
  )
  t.notOk(existsSync(file))
})
