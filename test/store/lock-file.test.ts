import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const module = path.resolve(import.meta.dirname, '../../src/store/embedded/lock-file.ts')

t.test('a lock that cannot be written, as on a full disk, leaves neither a file nor an open one', (t) => {
  const folder = t.testdir()
  const script = `
    import { readdirSync, readlinkSync } from 'node:fs'
    import { withLockFile, writeOwnerFile } from ${JSON.stringify(module)}
    const linkOf = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }
    const open = () => readdirSync('/proc/self/fd').map(linkOf).filter((link) => link.includes(${JSON.stringify(folder)}))
    const codes = []
    for (const name of ['lock', 'lock', 'mark']) {
      const file = ${JSON.stringify(folder)} + '/' + name
      try {
        if (name === 'mark') writeOwnerFile(file)
        else await withLockFile(file, 10, async () => undefined)
      } catch (error) { codes.push(error.code) }
    }
    process.stdout.write(JSON.stringify({ codes, open: open() }))`
  // No file may be longer than 0: what tap adds to a process ends it by the signal of the limit, which Node ignores.
  const command = 'unset NODE_OPTIONS; ulimit -f 0 && exec "$0" "$@"'
  const args = ['-c', command, process.execPath, '--input-type=module-typescript', '-e', script]
  const { stdout, stderr } = spawnSync('/bin/sh', args, { encoding: 'utf8' })
  t.same(JSON.parse(stdout || '{}'), { codes: ['EFBIG', 'EFBIG', 'EFBIG'], open: [] }, stderr)
  t.same(readdirSync(folder), [])
  t.end()
})
