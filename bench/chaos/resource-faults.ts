import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { ChaosDisk } from './disk.ts'
import type { FaultKind } from './fault.ts'
import type { ChaosServer } from './server.ts'
import { LONG_MS, type Stage } from './stage.ts'

/** The longest that the server lets a commit wait. */
const COMMIT_DELAY_MICROSECONDS = 100_000
const STUTTER_FROZEN_MS = 180
const STUTTER_MOVING_MS = 40
const STUTTERS = 8
const CONNECTIONS_TRIED_MAX = 200
const TRY_EVERY_MS = 20

/** Faults of what the database needs: disk and connections. */
export const resourceFaults: readonly FaultKind[] = [
  {
    name: 'fsync-slow',
    place: 'resources',
    what: 'every commit waits 100 ms before it is flushed (commit_delay)',
    async play({ server }) {
      const settings = { commit_delay: String(COMMIT_DELAY_MICROSECONDS), commit_siblings: '0' }
      await withSettings(server, settings, () => sleep(2_000))
      return ''
    },
  },
  {
    name: 'disk-stutters',
    place: 'resources',
    what: "the database's volume is frozen eight times for a moment",
    unavailable: ({ disk }) => (typeof disk === 'string' ? disk : undefined),
    play: onDisk(async (disk) => {
      for (let time = 0; time < STUTTERS; time++) {
        await frozen(disk, STUTTER_FROZEN_MS)
        await sleep(STUTTER_MOVING_MS)
      }
      return `${STUTTERS} times ${STUTTER_FROZEN_MS} ms`
    }),
  },
  {
    name: 'disk-hangs',
    place: 'resources',
    what: "the database's volume is frozen for longer than a commit may take",
    unavailable: ({ disk }) => (typeof disk === 'string' ? disk : undefined),
    play: onDisk(async (disk) => {
      await frozen(disk, LONG_MS)
      return `${LONG_MS} ms`
    }),
  },
  {
    name: 'disk-full',
    place: 'resources',
    what: "the database's volume is full",
    unavailable: ({ disk }) => (typeof disk === 'string' ? disk : undefined),
    play: onDisk((disk, { server }) => full(disk, server, async () => undefined)),
  },
  {
    name: 'disk-full-log',
    place: 'resources',
    what: "the database's volume is full when its log needs a new file: the server ends, and is started again",
    unavailable: ({ disk }) => (typeof disk === 'string' ? disk : undefined),
    play: onDisk((disk, { server }) =>
      // The answer may be lost with the server.
      full(disk, server, () => server.ask('select pg_switch_wal()').catch(() => undefined)),
    ),
  },
  {
    name: 'connections-exhausted',
    place: 'resources',
    what: 'the switch loses its connections while others have taken all that the server gives',
    async play(stage, draw) {
      const ms = draw.integer(500, 1_500)
      const taken = await exhaust(stage, ms)
      return `${taken} connections for ${ms} ms`
    },
  },
  {
    name: 'database-read-only',
    place: 'resources',
    what: 'transactions are read-only, as on a server that was demoted',
    async play({ server }, draw) {
      const ms = draw.integer(300, 1_200)
      await withSettings(server, { default_transaction_read_only: 'on' }, () => sleep(ms))
      return `${ms} ms`
    },
  },
]

function onDisk(work: (disk: ChaosDisk, stage: Stage) => Promise<string>): FaultKind['play'] {
  return (stage) => {
    if (typeof stage.disk === 'string') throw new Error(stage.disk)
    return work(stage.disk, stage)
  }
}

async function frozen(disk: ChaosDisk, ms: number): Promise<void> {
  disk.freeze()
  try {
    await sleep(ms)
  } finally {
    disk.thaw()
  }
}

async function full(disk: ChaosDisk, server: ChaosServer, then: () => Promise<unknown>): Promise<string> {
  const mebibytes = disk.fill()
  try {
    await then()
    await sleep(1_500)
  } finally {
    disk.free()
  }
  const ended = !server.isAlive
  await server.start()
  return `${mebibytes} MiB taken${ended ? '; the server had ended' : ''}`
}

async function withSettings(
  server: ChaosServer,
  settings: Readonly<Record<string, string>>,
  work: () => Promise<unknown>,
): Promise<void> {
  const names = Object.keys(settings)
  for (const name of names) await server.ask(`alter system set ${name} = ${settings[name]}`)
  await server.ask('select pg_reload_conf()')
  try {
    await work()
  } finally {
    for (const name of names) await server.ask(`alter system reset ${name}`)
    await server.ask('select pg_reload_conf()')
  }
}

/** Takes connections until the server gives no more, cuts the switch's, and takes those too. */
async function exhaust(stage: Stage, ms: number): Promise<number> {
  const taken: Client[] = []
  const takeAll = async () => {
    for (let tried = 0; tried < CONNECTIONS_TRIED_MAX; tried++) {
      const client = new Client({ connectionString: stage.world.adminUrl, connectionTimeoutMillis: 5_000 })
      client.on('error', () => undefined)
      try {
        await client.connect()
      } catch {
        return
      }
      taken.push(client)
    }
  }
  try {
    await takeAll()
    stage.database.cut()
    const untilMs = performance.now() + ms
    while (performance.now() < untilMs) {
      await takeAll()
      await sleep(TRY_EVERY_MS)
    }
  } finally {
    await Promise.all(taken.map((client) => client.end().catch(() => undefined)))
  }
  return taken.length
}
