import { setTimeout as sleep } from 'node:timers/promises'
import { requestStates } from '../../src/simulator/load-record.ts'
import type { Random } from '../../src/simulator/random.ts'
import type { FaultKind } from './fault.ts'
import { signalled } from './server.ts'
import { LONG_MS, type Stage } from './stage.ts'

/** How long two writers are watched side by side. */
const SIDE_BY_SIDE_MS = 700

async function stopped(pids: readonly number[], ms: number): Promise<void> {
  const those = pids.filter((pid) => signalled(pid, 'SIGSTOP'))
  try {
    await sleep(ms)
  } finally {
    for (const pid of those) signalled(pid, 'SIGCONT')
  }
}

const short = (draw: Random) => draw.integer(200, 900)

/** Faults of processes: the switch's and the database's. */
export const processFaults: readonly FaultKind[] = [
  {
    name: 'switch-killed',
    place: 'switch',
    what: 'SIGKILL to the switch; a new one is started',
    async play({ session }) {
      await session.process.kill()
      await session.restart()
      return ''
    },
  },
  {
    name: 'switch-paused',
    place: 'switch',
    what: 'SIGSTOP to the switch for less than a second',
    async play({ session }, draw) {
      const ms = short(draw)
      await stopped([session.process.pid], ms)
      return `${ms} ms`
    },
  },
  {
    name: 'switch-paused-long',
    place: 'switch',
    what: 'SIGSTOP to the switch for longer than a commit may take',
    async play({ session }) {
      await stopped([session.process.pid], LONG_MS)
      return `${LONG_MS} ms`
    },
  },
  {
    name: 'second-writer',
    place: 'switch',
    what: 'a second switch is started on the same database: the first must approve nothing more',
    play: (stage) => secondWriter(stage),
  },
  {
    name: 'stale-writer',
    place: 'switch',
    what: 'the switch is stopped under load, a second one takes over, and the first wakes up again',
    play: (stage) => staleWriter(stage),
  },
  {
    name: 'database-immediate',
    place: 'database',
    what: 'immediate shutdown of the server, and its start',
    async play({ server }, draw) {
      const ms = draw.integer(0, 800)
      await server.end('SIGQUIT')
      await sleep(ms)
      await server.start()
      return `down for ${ms} ms more`
    },
  },
  {
    name: 'database-killed',
    place: 'database',
    what: "SIGKILL to the server's first process, and its start",
    async play({ server }) {
      await server.end('SIGKILL')
      await server.start()
      return ''
    },
  },
  {
    name: 'backend-killed',
    place: 'database',
    what: "SIGKILL to the writer's backend: the server ends all connections and recovers from its log",
    async play({ server }) {
      signalled(await server.laneBackend(), 'SIGKILL')
      return ''
    },
  },
  {
    name: 'backend-terminated',
    place: 'database',
    what: "pg_terminate_backend of the writer's connection",
    async play({ server }) {
      await server.ask('select pg_terminate_backend($1)', [await server.laneBackend()])
      return ''
    },
  },
  {
    name: 'statement-cancelled',
    place: 'database',
    what: "pg_cancel_backend of the writer's connection, twenty times",
    async play({ server }) {
      const pid = await server.laneBackend()
      await server.ask('select pg_cancel_backend($1), pg_sleep(0.01) from generate_series(1, 20)', [pid])
      return ''
    },
  },
  {
    name: 'backend-paused',
    place: 'database',
    what: "SIGSTOP to the writer's backend for less than a second",
    async play({ server }, draw) {
      const ms = short(draw)
      await stopped([await server.laneBackend()], ms)
      return `${ms} ms`
    },
  },
  {
    name: 'backend-paused-long',
    place: 'database',
    what: "SIGSTOP to the writer's backend for longer than a commit may take",
    async play({ server }) {
      await stopped([await server.laneBackend()], LONG_MS)
      return `${LONG_MS} ms`
    },
  },
  {
    name: 'database-paused-long',
    place: 'database',
    what: 'SIGSTOP to all processes of the server for longer than a commit may take',
    async play({ server }) {
      await stopped(server.processes(), LONG_MS)
      return `${LONG_MS} ms`
    },
  },
]

/** The load stays with the first switch for a while: whatever it approves after the second is ready is a fault. */
async function secondWriter(stage: Stage): Promise<string> {
  const { session } = stage
  const first = session.process
  const second = await stage.startAnother()
  const watchedFrom = session.record.last + 1
  await sleep(SIDE_BY_SIDE_MS)
  const approved = approvalsSince(stage, watchedFrom)
  session.adopt(second)
  for (const link of Object.values(stage.links)) link.cut()
  await first.stop()
  if (approved > 0) throw new Error(`a writer that has lost its lane approved ${approved} requests`)
  return ''
}

async function staleWriter(stage: Stage): Promise<string> {
  const { session } = stage
  const first = session.process
  process.kill(first.pid, 'SIGSTOP')
  try {
    const second = await stage.startAnother()
    session.adopt(second)
    for (const link of Object.values(stage.links)) link.cut()
  } finally {
    process.kill(first.pid, 'SIGCONT')
  }
  await sleep(SIDE_BY_SIDE_MS)
  await first.stop()
  return ''
}

function approvalsSince({ session }: Stage, from: number): number {
  const { record } = session
  let approved = 0
  for (let sequence = from; sequence <= record.last; sequence++) {
    if (record.state[sequence] === requestStates.approved) approved += 1
  }
  return approved
}
