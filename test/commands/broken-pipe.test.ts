import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

const io = pathToFileURL(path.resolve(import.meta.dirname, '../../src/commands/command-io.ts')).href
const program = `
  const { endWithReader, processIo } = await import('${io}')
  endWithReader()
  for (;;) {
    processIo.out('x'.repeat(65536))
    await new Promise((done) => setTimeout(done, 5))
  }`

t.test('a command whose reader went away ends quietly', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString()
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [status] = await once(child, 'close')
  t.equal(errors, '')
  t.equal(status, 141, 'as of a process that SIGPIPE ended')
})
