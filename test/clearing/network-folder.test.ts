import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { filesInOrder } from '../../src/clearing/incoming/folder.ts'
import { networkFileBytes } from '../../src/simulator/network-clearing.ts'

const TODAY = 20_261_122 as CivilDate

t.test('files of the network are taken in the order of their dates and numbers, not of their names', async (t) => {
  const folder = t.testdir({ 'a.ctf': 'no clearing file', 'b.ctf': '', 'c.ctf.part': '', 'd.txt': '' })
  const put = (name: string, date: number, fileId: number) => {
    const bytes = networkFileBytes({ processingBin: '400000', date: date as CivilDate, fileId, transactions: [] })
    writeFileSync(path.join(folder, name), Buffer.concat([...bytes]))
  }
  put('x10.ctf', 20_261_122, 10)
  put('x9.ctf', 20_261_122, 9)
  put('again-x9.ctf', 20_261_122, 9)
  put('z.ITF', 20_261_121, 12)
  t.same(await filesInOrder(folder, TODAY), ['z.ITF', 'again-x9.ctf', 'x9.ctf', 'x10.ctf', 'a.ctf', 'b.ctf'])
})
