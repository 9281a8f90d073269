import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../../bench/free-ports.ts'
import type { SftpSettings } from '../../src/clearing/delivery/sftp-place.ts'
import { chooseServerUser } from '../../src/store/embedded/server-user.ts'

/** A real OpenSSH server on this machine, with one user and a folder of its own. */
export interface SftpServer {
  readonly settings: SftpSettings
  /** What the user sees, and where it lies. */
  readonly folder: string
  /** Ends every session at once, as when a line is cut. */
  cut(): void
  /** Lets sessions hang, and go on. */
  hang(): void
  goOn(): void
  stop(): Promise<void>
  start(): Promise<void>
}

interface Programs {
  readonly sshd: string
  readonly libraries: string
}

const PACKAGES = ['openssh-server', 'openssh-sftp-server', 'libwrap0']

/**
 * Finds sshd where it is installed, else takes it out of Debian's packages without installing them.
 * @returns the reason when there is none
 */
function findPrograms(folder: string): Programs | string {
  if (existsSync('/usr/sbin/sshd')) return { sshd: '/usr/sbin/sshd', libraries: '' }
  for (const tool of ['apt-get', 'dpkg', 'ssh-keygen']) {
    if (spawnSync('which', [tool]).status !== 0) return `sshd is not installed, and there is no ${tool}`
  }
  const packages = path.join(folder, 'packages')
  mkdirSync(packages)
  const got = spawnSync('apt-get', ['download', ...PACKAGES], { cwd: packages, encoding: 'utf8' })
  if (got.status !== 0) return `sshd is not installed, and its package cannot be downloaded: ${got.stderr.trim()}`
  const root = path.join(folder, 'root')
  for (const name of readdirSync(packages)) {
    if (name.endsWith('.deb')) execFileSync('dpkg', ['-x', path.join(packages, name), root])
  }
  const libraries = ['usr/lib', 'lib'].map((name) => path.join(root, name, `${arch()}-linux-gnu`))
  return { sshd: path.join(root, 'usr/sbin/sshd'), libraries: libraries.join(':') }
}

function arch(): string {
  return process.arch === 'arm64' ? 'aarch64' : 'x86_64'
}

/** Starts a server. @returns the reason when there cannot be one here */
export async function startSftpServer(t: { teardown(work: () => unknown): unknown }): Promise<SftpServer | string> {
  const base = mkdtempSync(path.join(tmpdir(), 'mizan-sftp-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const programs = findPrograms(base)
  if (typeof programs === 'string') return programs
  // As an ordinary user sshd needs nothing of the machine, and lets in that user alone.
  const user = chooseServerUser(path.join(base, 'none'))
  const name = user.uid === undefined ? execFileSync('id', ['-un'], { encoding: 'utf8' }).trim() : user.name
  const at = (file: string) => path.join(base, file)
  for (const key of ['host', 'client']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', at(key)])
  }
  const folder = at('files')
  mkdirSync(folder)
  const [port = 0] = await freePorts(1)
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('client.pub')}`,
    `PidFile ${at('pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
    'ForceCommand internal-sftp',
  ]
  writeFileSync(at('sshd_config'), `${config.join('\n')}\n`)
  chmodSync(base, 0o755)
  if (user.uid !== undefined && user.gid !== undefined) {
    for (const file of [base, folder, at('host'), at('sshd_config')]) chownSync(file, user.uid, user.gid)
  }
  const publicKey = readFileSync(at('host.pub'), 'latin1').split(' ')[1] ?? ''
  const hostKeySha256 = `SHA256:${createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64')}`
  const settings = { host: '127.0.0.1', port, user: name, keyFile: at('client'), hostKeySha256, timeoutMs: 30_000 }
  let child: ChildProcess | undefined
  let said = ''
  const start = async () => {
    const env = {
      ...user.spawnOptions.env,
      ...(programs.libraries === '' ? {} : { LD_LIBRARY_PATH: programs.libraries }),
    }
    const args = ['-D', '-e', '-f', at('sshd_config')]
    child = spawn(programs.sshd, args, { ...user.spawnOptions, env, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text.toString()).slice(-4_000)
    })
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
      await sleep(50)
    }
  }
  const sessions = () => (child?.pid === undefined ? [] : descendants(child.pid))
  const signal = (name: NodeJS.Signals) => {
    for (const pid of sessions()) kill(pid, name)
  }
  const stop = async () => {
    const running = child
    child = undefined
    if (running?.pid === undefined) return
    const all = [...descendants(running.pid), running.pid]
    const ended = new Promise((resolve) => running.once('exit', resolve))
    for (const pid of all) kill(pid, 'SIGKILL')
    if (running.exitCode === null && running.signalCode === null) await ended
  }
  t.teardown(stop)
  await start()
  return {
    settings,
    folder,
    cut: () => signal('SIGKILL'),
    hang: () => signal('SIGSTOP'),
    goOn: () => signal('SIGCONT'),
    stop,
    start,
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone.
  }
}

function descendants(pid: number): number[] {
  const found = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout
  const children = found
    .split('\n')
    .map(Number)
    .filter((one) => one > 0)
  return children.flatMap((one) => [...descendants(one), one])
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
