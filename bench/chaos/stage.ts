import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { LoadPorts } from '../../src/simulator/load-generator.ts'
import type { LoadDialect, MixName } from '../../src/simulator/load-mix.ts'
import { type FaultProxy, startFaultProxy } from '../../test/support/fault-proxy.ts'
import type { CryptoKind } from '../options.ts'
import { Session } from '../session.ts'
import type { SwitchProcess } from '../switch-process.ts'
import { type BenchWorld, openWorld } from '../world.ts'
import { type ChaosDisk, makeDisk } from './disk.ts'
import { ChaosServer } from './server.ts'

export interface StageOptions {
  readonly ratePerSecond: number
  readonly seconds: number
  readonly seed: number
  readonly cards: number
  readonly mix: MixName
  readonly crypto: CryptoKind
  /** Folder for everything; absent = a new one below the temporary folder, removed at the end. */
  readonly varDir?: string
}

/** Limits of the switch under test: short, so that many faults that outlast them fit into minutes. */
export const COMMIT_TIMEOUT_MS = 1_000
/** Longer than a commit may take, and than the driver waits for it: a second more. */
export const LONG_MS = COMMIT_TIMEOUT_MS + 1_400
const TIME_BUDGET_MS = 1_500
/** Later than the switch's own answer 91. */
const REPEAT_AFTER_MS = 2_000
const REPEATS = 2
const LINKS_PER_DIALECT = 2
/** Requests and their reversals, and those sent while the last fates are settled. */
const ROOM_FACTOR = 2
const ROOM_MORE = 20_000

/** Everything a chaos run plays on: database on a volume of its own, switch, load, and the proxies between them. */
export class Stage {
  readonly options: StageOptions
  readonly world: BenchWorld
  readonly session: Session
  readonly server: ChaosServer
  /** Between switch and database. */
  readonly database: FaultProxy
  /** Between acquirers and switch, by dialect. */
  readonly links: Readonly<Record<LoadDialect, FaultProxy>>
  /** The database's volume, or why it has none. */
  readonly disk: ChaosDisk | string
  #others = 0

  private constructor(
    options: StageOptions,
    parts: Pick<Stage, 'world' | 'session' | 'server' | 'database' | 'links' | 'disk'>,
  ) {
    this.options = options
    this.world = parts.world
    this.session = parts.session
    this.server = parts.server
    this.database = parts.database
    this.links = parts.links
    this.disk = parts.disk
  }

  /** Opens all of it; the load is connected and nothing is sent yet. */
  static async open(options: StageOptions): Promise<Stage> {
    // Not mkdtemp: its folder is closed to the user that the server runs as when this runs as root.
    const varDir = options.varDir ?? path.join(os.tmpdir(), `mizan-chaos-${process.pid}`)
    mkdirSync(varDir, { recursive: true })
    const isNew = !existsSync(path.join(varDir, 'postgres'))
    const disk = isNew ? makeDisk(path.join(varDir, 'postgres')) : 'the folder had a database already'
    const undo: (() => unknown)[] = [() => typeof disk !== 'string' && disk.close()]
    try {
      const { cards, seed } = options
      const world = await openWorld({ cards, seed, laneCount: 1, varDir })
      undo.push(() => world.close())
      const server = new ChaosServer(world)
      const database = await startFaultProxy({ port: server.port })
      undo.push(() => database.close())
      const links = {
        'iso87-ascii': await startFaultProxy({ port: 0 }),
        'iso87-bcd': await startFaultProxy({ port: 0 }),
        'visa-base1': await startFaultProxy({ port: 0 }),
      }
      for (const link of Object.values(links)) undo.push(() => link.close())
      const session = await openSession(options, world, database, links)
      return new Stage(options, { world, session, server, database, links, disk: usable(disk, world) })
    } catch (error) {
      for (const step of undo.reverse()) await step()
      throw error
    }
  }

  /** Starts a second switch on the same database. */
  startAnother(): Promise<SwitchProcess> {
    this.#others += 1
    const folder = path.join(this.world.varDir, `switch-${this.#others % 2}`)
    copyKeys(this.world.varDir, folder)
    return this.session.startAnother(folder)
  }

  /** Bytes that the switches have logged. */
  get logBytes(): number {
    const { varDir } = this.world
    return [varDir, path.join(varDir, 'switch-0'), path.join(varDir, 'switch-1')]
      .map((folder) => path.join(folder, 'switch.log'))
      .reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), 0)
  }

  /** Ends it all, and removes the folder unless it was named or is to be kept. */
  async close(keep: boolean): Promise<void> {
    const { varDir } = this.world
    if (typeof this.disk !== 'string') this.disk.thaw()
    await this.session.close()
    await this.database.close()
    for (const link of Object.values(this.links)) await link.close()
    await this.server.start()
    await this.server.close()
    await this.world.close()
    if (typeof this.disk !== 'string') this.disk.close()
    if (!keep && this.options.varDir === undefined) rmSync(varDir, { recursive: true, force: true })
  }
}

function openSession(
  options: StageOptions,
  world: BenchWorld,
  database: FaultProxy,
  links: Stage['links'],
): Promise<Session> {
  const { ratePerSecond, seconds, mix, crypto, seed } = options
  const config = path.join(world.varDir, 'chaos.json')
  const limits = {
    database: { statementTimeoutMs: COMMIT_TIMEOUT_MS },
    lanes: { timeBudgetMs: TIME_BUDGET_MS },
  }
  writeFileSync(config, `${JSON.stringify(limits)}\n`)
  return Session.open({
    world,
    mix,
    crypto,
    seed,
    config,
    capacity: Math.ceil(ratePerSecond * seconds * ROOM_FACTOR) + ROOM_MORE,
    linksPerDialect: LINKS_PER_DIALECT,
    databaseUrl: Object.assign(new URL(world.url), { port: String(database.port) }).href,
    followUp: { repeatAfterMs: REPEAT_AFTER_MS, repeats: REPEATS },
    route: (ports) => throughProxies(ports, links),
  })
}

/** The proxies lead to a switch; the load keeps its own way to them. */
function throughProxies(ports: LoadPorts, links: Stage['links']): LoadPorts {
  const routed = { ...ports }
  for (const dialect of Object.keys(links) as LoadDialect[]) {
    links[dialect].target = { port: ports[dialect] }
    routed[dialect] = links[dialect].port
  }
  return routed
}

/** A second switch has the same master key. */
function copyKeys(from: string, to: string): void {
  mkdirSync(path.join(to, 'keys'), { recursive: true, mode: 0o700 })
  copyFileSync(path.join(from, 'keys', 'master.key'), path.join(to, 'keys', 'master.key'))
}

/** The server's user may have been unable to enter the folder: the cluster then lies elsewhere. */
function usable(disk: ChaosDisk | string, world: BenchWorld): ChaosDisk | string {
  if (typeof disk === 'string') return disk
  if (!existsSync(path.join(world.varDir, 'postgres', 'moved-to'))) return disk
  disk.close()
  return 'the database had to be made outside the volume: its user cannot enter the folder'
}
