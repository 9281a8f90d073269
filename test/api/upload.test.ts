import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Call } from '../../src/api/route.ts'
import { openUploads, withUpload } from '../../src/api/upload.ts'

t.test('a file that is sent rests where nobody else reads it, for as long as it is dealt with', async (t) => {
  const uploadFolder = path.join(t.testdir(), 'var', 'uploads')
  openUploads(uploadFolder)
  const query = { format: 'csv' }
  const sent = { services: { uploadFolder }, query, upload: Readable.from([Buffer.from('a,b\n')]) }
  const call = sent as unknown as Call<unknown, typeof query, unknown>
  const seen = await withUpload(call, async ({ bytes }) => {
    const [name = ''] = readdirSync(uploadFolder)
    const modes = [uploadFolder, path.join(uploadFolder, name), path.join(uploadFolder, name, 'upload.csv')].map(
      (one) => statSync(one).mode & 0o777,
    )
    return { bytes, modes }
  })
  t.same(seen, { bytes: 4, modes: [0o700, 0o700, 0o600] })
  t.same(readdirSync(uploadFolder), [])
})

t.test('what a process that was killed had been sent is gone at the next start', async (t) => {
  const folder = path.join(t.testdir(), 'uploads')
  const left = path.join(folder, 'upload-abc')
  mkdirSync(left, { recursive: true, mode: 0o755 })
  writeFileSync(path.join(left, 'upload.ndjson'), '{}')
  openUploads(folder)
  t.same(readdirSync(folder), [])
  t.equal(statSync(folder).mode & 0o777, 0o700)
})
