import { setTimeout as sleep } from 'node:timers/promises'
import { type LoadDialect, loadDialects } from '../../src/simulator/load-mix.ts'
import type { Random } from '../../src/simulator/random.ts'
import type { FaultKind } from './fault.ts'
import { blackHole, cutReplyToCommit, cutWithin, doubled, faulty, isCommit, stalled } from './gates.ts'
import { LONG_MS, type Stage } from './stage.ts'

/** Far below what the load needs. */
const SLOW_DATABASE_BYTES_PER_SECOND = 100_000
const SLOW_LINK_BYTES_PER_SECOND = 8_000
const TORN_BYTES = 48

/** One of the three dialects, or all. */
function drawnLinks(draw: Random): readonly LoadDialect[] {
  const choice = draw.integer(0, loadDialects.length)
  const one = loadDialects[choice]
  return one === undefined ? loadDialects : [one]
}

function each<T>(dialects: readonly LoadDialect[], work: (dialect: LoadDialect) => Promise<T>): Promise<T[]> {
  return Promise.all(dialects.map(work))
}

/** Faults of the network between switch and database. */
export const databaseLinkFaults: readonly FaultKind[] = [
  {
    name: 'db-cut',
    place: 'database link',
    what: 'all connections are reset',
    async play({ database }) {
      database.cut()
      return ''
    },
  },
  {
    name: 'db-cut-request',
    place: 'database link',
    what: 'the connection is reset after the first bytes of a commit: it never arrives whole',
    async play({ database }, draw) {
      const share = draw.next()
      await cutWithin(database.toServer, (chunk) => (isCommit(chunk) ? Math.floor(chunk.length * share) : undefined))
      return `after ${Math.round(share * 100)} %`
    },
  },
  {
    name: 'db-cut-sent',
    place: 'database link',
    what: 'the connection is reset as soon as a commit is sent',
    async play({ database }) {
      await cutWithin(database.toServer, (chunk) => (isCommit(chunk) ? chunk.length : undefined))
      return ''
    },
  },
  {
    name: 'db-cut-before-reply',
    place: 'database link',
    what: 'between the sending of a commit and its reply: it is durable, and nobody says so',
    async play({ database }) {
      await cutReplyToCommit(database, 0)
      return ''
    },
  },
  {
    name: 'db-cut-within-reply',
    place: 'database link',
    what: 'after the first bytes of the reply to a commit',
    async play({ database }, draw) {
      const bytes = draw.integer(1, 20)
      await cutReplyToCommit(database, bytes)
      return `after ${bytes} bytes`
    },
  },
  {
    name: 'db-black-hole',
    place: 'database link',
    what: 'requests are lost for longer than a commit may take',
    async play({ database }) {
      await blackHole(database, database.toServer, LONG_MS)
      return `${LONG_MS} ms`
    },
  },
  {
    name: 'db-black-hole-back',
    place: 'database link',
    what: 'replies are lost for longer than a commit may take: it is durable',
    async play({ database }) {
      await blackHole(database, database.toClient, LONG_MS)
      return `${LONG_MS} ms`
    },
  },
  {
    name: 'db-stalled',
    place: 'database link',
    what: 'nothing passes for longer than a commit may take; the old commit then arrives after the new epoch',
    async play({ database }) {
      await stalled([database.toServer, database.toClient], LONG_MS)
      return `${LONG_MS} ms`
    },
  },
  {
    name: 'db-delayed',
    place: 'database link',
    what: 'every message takes longer',
    async play({ database }, draw) {
      const delayMs = draw.integer(20, 250)
      await Promise.all([faulty(database.toServer, { delayMs }, 1_500), faulty(database.toClient, { delayMs }, 1_500)])
      return `${delayMs} ms each way`
    },
  },
  {
    name: 'db-throttled',
    place: 'database link',
    what: 'the bandwidth is far below what the load needs',
    async play({ database }) {
      await faulty(database.toServer, { throttleBytesPerSecond: SLOW_DATABASE_BYTES_PER_SECOND }, 1_500)
      return `${SLOW_DATABASE_BYTES_PER_SECOND} bytes/s`
    },
  },
  {
    name: 'db-half-open',
    place: 'database link',
    what: 'the database vanishes without a word: connections stay open to nobody',
    async play({ database }) {
      database.halfOpen('server')
      return ''
    },
  },
  {
    name: 'db-refused',
    place: 'database link',
    what: 'all connections are reset and new ones refused',
    async play({ database }, draw) {
      const ms = draw.integer(300, 1_500)
      database.refuse = true
      database.cut()
      await sleep(ms)
      database.refuse = false
      return `${ms} ms`
    },
  },
]

/** Faults of the network between acquirers and switch. */
export const acquirerLinkFaults: readonly FaultKind[] = [
  onLinks('link-cut', 'links are reset', async ({ links }, dialect) => links[dialect].cut()),
  onLinks('link-cut-request', 'a link is reset within a message to the switch', ({ links }, dialect, draw) =>
    cutWithin(links[dialect].toServer, (chunk) => draw.integer(1, chunk.length - 1)),
  ),
  onLinks('link-cut-answer', 'a link is reset within an answer', ({ links }, dialect, draw) =>
    cutWithin(links[dialect].toClient, (chunk) => draw.integer(0, chunk.length - 1)),
  ),
  onLinks('link-black-hole', 'requests are lost, then the links', ({ links }, dialect, draw) =>
    blackHole(links[dialect], links[dialect].toServer, draw.integer(200, 1_200)),
  ),
  onLinks('link-black-hole-back', 'answers are lost, then the links', ({ links }, dialect, draw) =>
    blackHole(links[dialect], links[dialect].toClient, draw.integer(200, 1_200)),
  ),
  onLinks(
    'link-stalled',
    'nothing passes, then everything late: first copies behind their repeats',
    ({ links }, dialect) => stalled([links[dialect].toServer, links[dialect].toClient], LONG_MS),
  ),
  onLinks('link-delayed', 'every message takes longer', async ({ links }, dialect, draw) => {
    const delayMs = draw.integer(20, 400)
    await Promise.all([
      faulty(links[dialect].toServer, { delayMs }, 1_500),
      faulty(links[dialect].toClient, { delayMs }, 1_500),
    ])
  }),
  onLinks('link-throttled', 'the bandwidth is far below what the load needs', ({ links }, dialect) =>
    faulty(links[dialect].toServer, { throttleBytesPerSecond: SLOW_LINK_BYTES_PER_SECOND }, 1_500),
  ),
  onLinks('link-torn', 'bytes arrive in small pieces', ({ links }, dialect) =>
    faulty(links[dialect].toServer, { splitBytes: TORN_BYTES }, 1_000),
  ),
  onLinks('link-doubled', 'every message arrives twice', ({ links }, dialect) =>
    faulty(links[dialect].toServer, { inspect: doubled(dialect) }, 1_000),
  ),
  onLinks('link-half-open', 'acquirers vanish without a word and connect anew', async ({ links }, dialect) =>
    links[dialect].halfOpen('client'),
  ),
  onLinks(
    'link-half-open-back',
    'the switch vanishes for the acquirers, who notice by its silence',
    async ({ links }, dialect) => links[dialect].halfOpen('server'),
  ),
]

function onLinks(
  name: string,
  what: string,
  work: (stage: Stage, dialect: LoadDialect, draw: Random) => Promise<void>,
): FaultKind {
  return {
    name,
    place: 'acquirer link',
    what,
    async play(stage, draw) {
      const dialects = drawnLinks(draw)
      await each(dialects, (dialect) => work(stage, dialect, draw))
      return dialects.join(' ')
    },
  }
}
