import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { t as file, test } from 'tap'
import { sftpPlace } from '../../src/clearing/delivery/sftp-place.ts'
import { digestFile } from '../../src/clearing/protection/files.ts'
import { startSftpServer } from './sftp-server.ts'

const started = await startSftpServer(file)
const skip = typeof started === 'string' ? started : false
const server = () => {
  if (typeof started === 'string') throw new Error(started)
  return started
}
const folder = mkdtempSync(path.join(tmpdir(), 'mizan-sftp-test-'))
file.teardown(() => rmSync(folder, { recursive: true, force: true }))
const { signal } = new AbortController()

async function fileOf(bytes: number, name = 'UC.SUB.NBE.20261122.1.001') {
  const local = path.join(folder, name)
  writeFileSync(local, randomBytes(bytes))
  return { local, name, digest: await digestFile(local) }
}

test('a file is put, listed, found again, fetched and removed', { skip }, async (t) => {
  const place = sftpPlace(server().folder, server().settings)
  t.teardown(() => place.close())
  const { local, name, digest } = await fileOf(3_000_000)
  t.equal(await place.put(local, name, digest, signal), 'delivered')
  t.same(readdirSync(server().folder), [name], 'nothing unfinished is left')
  t.ok(readFileSync(path.join(server().folder, name)).equals(readFileSync(local)))
  t.equal(await place.put(local, name, digest, signal), 'was-there')
  writeFileSync(path.join(server().folder, 'half.part'), 'x')
  t.same(await place.list(), [{ name, bytes: 3_000_000 }])
  const fetched = path.join(folder, 'fetched')
  await place.get(name, fetched, 3_000_000, signal)
  t.same((await digestFile(fetched)).sha256, digest.sha256)
  await t.rejects(place.get(name, fetched, 2_999_999, signal), { code: 'BAD_INPUT' })
  const other = await fileOf(3_000_000)
  await t.rejects(place.put(local, name, other.digest, signal), { code: 'CONFLICT', message: /other bytes/ })
  t.same((await digestFile(path.join(server().folder, name))).sha256, digest.sha256, 'nothing is overwritten')
  await place.remove(name)
  t.notOk(existsSync(path.join(server().folder, name)))
})

test('a server with another key gets nothing', { skip }, async (t) => {
  const { local, name, digest } = await fileOf(10)
  const hostKeySha256 = `SHA256:${'A'.repeat(43)}`
  const place = sftpPlace(server().folder, { ...server().settings, hostKeySha256 })
  const wanted = { code: 'CONFLICT', message: /shows the key SHA256:.* not the pinned one/ }
  await t.rejects(place.put(local, name, digest, signal), wanted)
  await place.close()
  const stranger = sftpPlace(server().folder, { ...server().settings, user: 'somebody-else' })
  await t.rejects(stranger.put(local, name, digest, signal), { code: 'LINK_CLOSED' })
  t.notOk(existsSync(path.join(server().folder, name)))
})

test('a line that is cut, or a server that hangs, leaves no file; the next attempt begins anew', {
  skip,
}, async (t) => {
  const { local, name, digest } = await fileOf(200_000_000)
  const target = path.join(server().folder, name)
  const partIsThere = async (put: Promise<unknown>) => {
    let ended: unknown
    put.then(
      () => {
        ended = new Error('it was put already')
      },
      (error: unknown) => {
        ended = error
      },
    )
    while (!existsSync(`${target}.part`)) {
      if (ended !== undefined) throw ended
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const attempt = (timeoutMs: number) => {
    const place = sftpPlace(server().folder, { ...server().settings, timeoutMs })
    return place.put(local, name, digest, signal).finally(() => place.close())
  }
  const cut = attempt(30_000)
  await partIsThere(cut)
  server().cut()
  await t.rejects(cut, { code: 'LINK_CLOSED' })
  t.notOk(existsSync(target), 'what is not whole has not its name')

  rmSync(`${target}.part`)
  const hung = attempt(5_000)
  await partIsThere(hung)
  server().hang()
  await t.rejects(hung, { code: 'LINK_TIMEOUT' })
  server().goOn()
  server().cut()

  await server().stop()
  await t.rejects(attempt(5_000), { code: 'LINK_CLOSED' }, 'nobody listens')
  await server().start()
  t.equal(await attempt(30_000), 'delivered')
  t.same((await digestFile(target)).sha256, digest.sha256)
  const aborted = new AbortController()
  const place = sftpPlace(server().folder, server().settings)
  rmSync(target)
  const stopped = place.put(local, name, digest, aborted.signal)
  await partIsThere(stopped)
  aborted.abort(new Error('the switch stops'))
  await t.rejects(stopped, { message: 'the switch stops' })
  await place.close()
  t.notOk(existsSync(target))
})
