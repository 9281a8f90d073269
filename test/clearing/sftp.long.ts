import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import ssh2 from 'ssh2'
import { t as file, test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { deliverDue, deliverFiles } from '../../src/clearing/delivery/deliver-step.ts'
import { resendFile } from '../../src/clearing/delivery/resend.ts'
import { type SftpSettings, sftpPlace } from '../../src/clearing/delivery/sftp-place.ts'
import { protectFiles } from '../../src/clearing/delivery/sign-step.ts'
import { digestFile } from '../../src/clearing/protection/files.ts'
import { deliveryWorld } from './delivery-world.ts'
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
  const [listed, ...more] = await place.list()
  t.match(listed, { name, bytes: 3_000_000 })
  t.same(more, [])
  t.ok(Math.abs((listed?.modifiedAtMs ?? 0) - Date.now()) < 3_600_000, 'with the time at which it was written')
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

/** A disk of so many bytes where the server has its files; the reason when there cannot be one here. */
function smallDisk(t: { teardown(work: () => unknown): unknown }, bytes: number): { at: string } | string {
  const at = path.join(server().folder, 'full')
  mkdirSync(at, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=777`, 'tmpfs', at], { encoding: 'utf8' })
  if (mounted.status !== 0) return `no file system can be mounted here: ${mounted.stderr?.trim() ?? ''}`
  t.teardown(() => spawnSync('umount', ['-l', at]))
  return { at }
}

test('a disk that is full there is told, leaves nothing behind, and the file goes once there is room', {
  skip,
}, async (t) => {
  const disk = smallDisk(t, 2_000_000)
  if (typeof disk === 'string') return t.comment(disk)
  const world = await deliveryWorld(20_261_119 as CivilDate)
  const { client, work } = world
  const destinations = [{ name: 'bank', folder: disk.at, sftp: server().settings, encrypt: false }]
  const options = { ...world.options, destinations }
  const pay = await world.written('PAY', 'NBE', randomBytes(1_500_000))
  await protectFiles(client, options, work)
  writeFileSync(path.join(disk.at, 'of-others'), Buffer.alloc(1_200_000))
  const refused = await deliverFiles(client, options, work)
  t.match(refused, { state: 'waiting', words: /UC\.PAY.* is tried again at .*does not take.*full/s })
  t.same(readdirSync(disk.at).sort(), [`${pay.name}.p7s`, 'of-others'].sort(), 'no half file takes what room is left')
  t.ok(world.logged.includes('clearing_delivery_failed'), world.logged.join(', '))
  rmSync(path.join(disk.at, 'of-others'))
  world.later(60_000)
  t.match(await deliverFiles(client, options, work), { state: 'done' })
  t.same((await digestFile(path.join(disk.at, pay.name))).sha256, pay.sha256)
})

test('a folder that may not be written to is told', { skip }, async (t) => {
  const { local, name, digest } = await fileOf(1_000)
  const closed = path.join(server().folder, 'closed')
  mkdirSync(closed, { mode: 0o555 })
  for (const [at, why] of [
    [closed, /does not take .*\.part: the user may not write there/],
    [path.join(server().folder, 'none'), /does not take .*\.part: there is no such folder/],
  ] as const) {
    const place = sftpPlace(at, server().settings)
    await t.rejects(place.put(local, name, digest, signal), { code: 'LINK_CLOSED', message: why })
    await place.close()
  }
})

/** A server that lets one user in by a password, and shows one file. */
async function passwordServer(t: { teardown(work: () => unknown): unknown }): Promise<SftpSettings> {
  const { STATUS_CODE } = ssh2.utils.sftp
  const key = ssh2.utils.generateKeyPairSync('ed25519')
  const listing = new ssh2.Server({ hostKeys: [key.private] }, (client) => {
    client.on('error', () => undefined)
    client.on('authentication', (login) => {
      if (login.method === 'password' && login.username === 'mizan' && login.password === 'correct horse')
        login.accept()
      else login.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('sftp', (acceptSftp) => {
        const sftp = acceptSftp()
        let isRead = false
        sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('folder')))
        sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK))
        sftp.on('READDIR', (id) => {
          if (isRead) return sftp.status(id, STATUS_CODE.EOF)
          isRead = true
          const attrs = { mode: 0o100600, uid: 0, gid: 0, size: 7, atime: 1, mtime: 2 }
          return sftp.name(id, [{ filename: 'UC.STM.1', longname: '-rw------- 1 0 0 7 UC.STM.1', attrs }])
        })
      })
    })
  })
  await new Promise<void>((resolve) => listing.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => listing.close(resolve)))
  const { port } = listing.address() as AddressInfo
  const bytes = Buffer.from(key.public.split(' ')[1] ?? '', 'base64')
  const hostKeySha256 = `SHA256:${createHash('sha256').update(bytes).digest('base64')}`
  return { host: '127.0.0.1', port, user: 'mizan', hostKeySha256, timeoutMs: 30_000 }
}

test('a login by password, from a file that others may not read', async (t) => {
  const settings = await passwordServer(t)
  const passwordFile = path.join(folder, 'password')
  const look = async () => {
    const place = sftpPlace('/', { ...settings, passwordFile })
    return place.list().finally(() => place.close())
  }
  writeFileSync(passwordFile, 'correct horse\n', { mode: 0o600 })
  t.same(await look(), [{ name: 'UC.STM.1', bytes: 7, modifiedAtMs: 2_000 }])
  writeFileSync(passwordFile, 'wrong horse\n')
  await t.rejects(look(), { code: 'LINK_CLOSED' })
  chmodSync(passwordFile, 0o644)
  await t.rejects(look(), { code: 'CONFIG_INVALID' })
})

test('a file that is asked for once more goes over the line again', { skip }, async (t) => {
  const world = await deliveryWorld(20_261_120 as CivilDate)
  const { client, work } = world
  const destinations = [{ name: 'bank', folder: server().folder, sftp: server().settings, encrypt: false }]
  const options = { ...world.options, destinations }
  const pay = await world.written('PAY', 'NBE', Buffer.from('<pay/>'))
  await protectFiles(client, options, work)
  t.match(await deliverFiles(client, options, work), { state: 'done' })
  const there = path.join(server().folder, pay.name)
  t.ok(existsSync(there))
  rmSync(there)
  t.match(await deliverFiles(client, options, work), { state: 'done' })
  t.notOk(existsSync(there), 'what was taken away there is not brought again by itself')
  await resendFile(client, pay.id, { actor: 'user:one', reason: 'they lost it', nowMs: work.nowMs() })
  t.match(await deliverDue(client, options, work), [{ state: 'done' }])
  t.equal(readFileSync(there, 'latin1'), '<pay/>')
})
