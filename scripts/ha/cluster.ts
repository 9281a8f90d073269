import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../../bench/free-ports.ts'
import { withClient } from '../../src/store/database-location.ts'
import { type ClusterPasswords, type NodePlace, patroniSettings } from './patroni.ts'
import { childrenOf, end, ownFolder, runs, type ServerUser, serverUser, startServer } from './processes.ts'

/** What there is of a cluster; kept in its folder, so that another command finds it. */
interface ClusterState {
  readonly binDir: string
  readonly passwords: ClusterPasswords
  readonly etcds: { readonly name: string; readonly clientPort: number; readonly peerPort: number; pid: number }[]
  readonly nodes: (NodePlace & { pid: number })[]
}

/** A server as Patroni reports it. */
export interface Member {
  readonly name: string
  /** leader, sync_standby, replica; `gone` when its Patroni does not answer. */
  readonly role: string
  readonly state: string
  readonly timeline: number | undefined
  readonly port: number
}

const STATE_FILE = 'cluster.json'
const READY_WITHIN_MS = 90_000
const POLL_MS = 200
const ASK_WITHIN_MS = 1_000
const STOP_WITHIN_MS = 15_000

/** PostgreSQL servers under Patroni, and the etcd that they agree through, all on this machine. */
export class HaCluster {
  readonly folder: string
  readonly #state: ClusterState
  readonly #user: ServerUser = serverUser()

  private constructor(folder: string, state: ClusterState) {
    this.folder = folder
    this.#state = state
  }

  /** The cluster of a folder. @throws Error when there is none */
  static at(folder: string): HaCluster {
    const file = path.join(folder, STATE_FILE)
    if (!existsSync(file)) throw new Error(`there is no cluster in ${folder}; up makes one`)
    return new HaCluster(folder, JSON.parse(readFileSync(file, 'utf8')) as ClusterState)
  }

  /** Makes a cluster in a new folder and starts it; resolves when it can be written. */
  static async make(folder: string, nodes: number, etcds: number, binDir: string): Promise<HaCluster> {
    if (existsSync(path.join(folder, STATE_FILE))) throw new Error(`${folder} holds a cluster already; down removes it`)
    if (!existsSync(path.join(binDir, 'postgres'))) throw new Error(`there is no PostgreSQL in ${binDir}; see --bin`)
    const user = serverUser()
    ownFolder(folder, user)
    const ports = await freePorts(2 * (nodes + etcds))
    const take = () => ports.pop() ?? 0
    const secret = () => randomBytes(16).toString('hex')
    const state: ClusterState = {
      binDir,
      passwords: { superuser: secret(), replication: secret(), rewind: secret(), mizan: secret() },
      etcds: Array.from({ length: etcds }, (_, n) => ({
        name: `etcd${n + 1}`,
        clientPort: take(),
        peerPort: take(),
        pid: 0,
      })),
      nodes: Array.from({ length: nodes }, (_, n) => {
        const name = `pg${n + 1}`
        return { name, folder: path.join(folder, name), databasePort: take(), restPort: take(), pid: 0 }
      }),
    }
    const cluster = new HaCluster(folder, state)
    cluster.#save()
    try {
      for (const etcd of state.etcds) cluster.#startEtcd(etcd)
      for (const node of state.nodes) cluster.#startNode(node)
      await cluster.untilHealthy()
      await cluster.#makeDatabase()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** Where the switch finds its database: all servers, the one that can be written is taken. */
  get url(): string {
    const hosts = this.#state.nodes.map(({ databasePort }) => `127.0.0.1:${databasePort}`).join(',')
    return `postgresql://mizan:${this.#state.passwords.mizan}@${hosts}/mizan?target_session_attrs=read-write`
  }

  /** Every server, asked one by one. */
  async members(): Promise<readonly Member[]> {
    return Promise.all(
      this.#state.nodes.map(async ({ name, restPort, databasePort: port }) => {
        const found = await ask(restPort)
        const { role = 'gone', state = 'gone', timeline, sync_standby } = found ?? {}
        const part = role === 'master' || role === 'primary' ? 'leader' : sync_standby === true ? 'sync_standby' : role
        return { name, role: state === 'running' ? part : role === 'gone' ? 'gone' : 'down', state, timeline, port }
      }),
    )
  }

  /** Waits until one server leads, another has every commit, and the others follow. */
  async untilHealthy(withinMs = READY_WITHIN_MS): Promise<void> {
    const giveUpMs = performance.now() + withinMs
    for (;;) {
      const roles = (await this.members()).map(({ role }) => role)
      const count = (wanted: string) => roles.filter((role) => role === wanted).length
      const whole = count('leader') === 1 && count('gone') + count('down') === 0
      if (whole && (roles.length === 1 || count('sync_standby') >= 1)) return
      if (performance.now() > giveUpMs) {
        throw new Error(`the cluster does not come up (${roles.join(', ')}); the logs are in ${this.folder}/*/`)
      }
      await sleep(POLL_MS)
    }
  }

  /**
   * Kills the primary server.
   * @param how postmaster: PostgreSQL alone, its Patroni stays; machine: both, as when the machine dies
   * @returns the name of the server
   */
  async killPrimary(how: 'postmaster' | 'machine'): Promise<string> {
    const leader = (await this.members()).find(({ role }) => role === 'leader')
    const node = this.#state.nodes.find(({ name }) => name === leader?.name)
    if (node === undefined) throw new Error('no server leads')
    const postmaster = Number(readFileSync(path.join(node.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
    if (!(postmaster > 1)) throw new Error(`${node.name} does not run`)
    const backends = how === 'machine' ? childrenOf(postmaster) : []
    if (how === 'machine') process.kill(node.pid, 'SIGKILL')
    process.kill(postmaster, 'SIGKILL')
    for (const pid of backends) if (runs(pid)) process.kill(pid, 'SIGKILL')
    return node.name
  }

  /** Starts the Patroni of every server that has none; an old primary then comes back as a standby. */
  rejoin(): string[] {
    const started = this.#state.nodes.filter(({ pid }) => !runs(pid))
    for (const node of started) this.#startNode(node)
    return started.map(({ name }) => name)
  }

  /** Stops everything, and removes the folder. */
  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Stops everything; folders and logs stay. */
  async stop(): Promise<void> {
    await end(
      this.#state.nodes.map(({ pid }) => pid),
      'SIGTERM',
      STOP_WITHIN_MS,
    )
    const postmasters = this.#state.nodes.flatMap(({ folder }) => {
      const file = path.join(folder, 'data', 'postmaster.pid')
      return existsSync(file) ? [Number(readFileSync(file, 'utf8').split('\n')[0])] : []
    })
    await end(postmasters, 'SIGTERM', STOP_WITHIN_MS)
    await end(
      this.#state.etcds.map(({ pid }) => pid),
      'SIGTERM',
      STOP_WITHIN_MS,
    )
  }

  #save(): void {
    writeFileSync(path.join(this.folder, STATE_FILE), JSON.stringify(this.#state, null, 2), { mode: 0o600 })
  }

  #startEtcd(etcd: ClusterState['etcds'][number]): void {
    const { name, clientPort, peerPort } = etcd
    const folder = path.join(this.folder, name)
    ownFolder(folder, this.#user)
    const url = (port: number) => `http://127.0.0.1:${port}`
    const all = this.#state.etcds.map((one) => `${one.name}=${url(one.peerPort)}`).join(',')
    const settings = {
      name,
      'data-dir': path.join(folder, 'data'),
      'listen-client-urls': url(clientPort),
      'advertise-client-urls': url(clientPort),
      'listen-peer-urls': url(peerPort),
      'initial-advertise-peer-urls': url(peerPort),
      'initial-cluster': all,
      'initial-cluster-state': 'new',
      'initial-cluster-token': 'mizan',
    }
    const args = Object.entries(settings).map(([key, value]) => `--${key}=${value}`)
    etcd.pid = startServer('etcd', args, folder, this.#user)
    this.#save()
  }

  #startNode(node: ClusterState['nodes'][number]): void {
    const { binDir, passwords, etcds } = this.#state
    ownFolder(node.folder, this.#user)
    const file = path.join(node.folder, 'patroni.json')
    const etcdPorts = etcds.map(({ clientPort }) => clientPort)
    writeFileSync(file, JSON.stringify(patroniSettings({ node, etcdPorts, passwords, binDir }), null, 2), {
      mode: 0o600,
    })
    chownSync(file, this.#user.uid, this.#user.gid)
    node.pid = startServer('patroni', [file], node.folder, this.#user)
    this.#save()
  }

  /** The switch's own user is no superuser: it owns its database, and may see the standbys. */
  async #makeDatabase(): Promise<void> {
    const { passwords } = this.#state
    const admin = this.url.replace(/mizan:[^@]*@/, `postgres:${passwords.superuser}@`).replace('/mizan?', '/postgres?')
    await withClient(admin, async (client) => {
      await client.query('create role mizan_app nologin')
      await client.query('create role mizan_analyst nologin')
      await client.query(`create role mizan login password '${passwords.mizan}'`)
      await client.query('grant mizan_app, mizan_analyst, pg_monitor to mizan')
      await client.query('create database mizan owner mizan template template0')
    })
  }
}

interface PatroniStatus {
  readonly role?: string
  readonly state?: string
  readonly timeline?: number
  readonly sync_standby?: boolean
}

async function ask(port: number): Promise<PatroniStatus | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/patroni`, { signal: AbortSignal.timeout(ASK_WITHIN_MS) })
    return (await response.json()) as PatroniStatus
  } catch {
    return undefined
  }
}
