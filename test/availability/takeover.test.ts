import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import type { LaneSighting } from '../../src/store/availability.ts'
import { TakeoverWatch } from '../../src/switch-takeover.ts'

const TIMES = { heartbeatMs: 500, takeoverAfterMs: 2_000 }
const SELF = 'self'

function lane(beats: number, extra: { lastSeq?: number; released?: boolean; instance?: string } = {}): LaneSighting[] {
  const { lastSeq = 1, released = false, instance = 'other' } = extra
  return [{ lane: 0, epoch: 7, lastSeq, writer: { instance, host: 'a', pid: 1, released, beats } }]
}

/** Plays sightings at their times. @returns what the last one led to */
function judged(sightings: readonly (readonly [number, LaneSighting[]])[]) {
  const watch = new TakeoverWatch(SELF, TIMES)
  return sightings.map(([atMs, lanes]) => watch.see(lanes, atMs)).at(-1)
}

/** A sighting every half second over a time, the same each. */
function still(fromMs: number, toMs: number, lanes: LaneSighting[]): [number, LaneSighting[]][] {
  return Array.from({ length: Math.floor((toMs - fromMs) / 500) + 1 }, (_, n) => [fromMs + n * 500, lanes])
}

t.test('lanes are taken when nothing was heard for long enough, and not before', async (t) => {
  t.equal(judged(still(0, 2_000, lane(1))), undefined)
  t.match(judged(still(0, 2_500, lane(1))), { reason: 'silent', silentMs: 2_500, epochs: [7], from: { host: 'a' } })
})

t.test('a heartbeat or a batch is a sign of life', async (t) => {
  t.equal(judged([...still(0, 2_000, lane(1)), ...still(2_500, 4_000, lane(2))]), undefined)
  t.equal(judged([...still(0, 2_000, lane(1)), ...still(2_500, 4_000, lane(1, { lastSeq: 2 }))]), undefined)
})

t.test('what was not seen proves nothing: after a time without the database it is counted anew', async (t) => {
  t.equal(judged([...still(0, 1_000, lane(1)), ...still(11_000, 13_000, lane(1))]), undefined)
  t.match(judged([...still(0, 1_000, lane(1)), ...still(11_000, 13_500, lane(1))]), {
    reason: 'silent',
    silentMs: 2_500,
  })
})

t.test('lanes that were given up are taken at once, but not by who gave them up', async (t) => {
  t.match(judged([[0, lane(1, { released: true })]]), { reason: 'released' })
  t.equal(judged([[0, lane(1, { released: true, instance: SELF })]]), undefined)
  t.match(
    judged(still(0, 2_500, lane(1, { released: true, instance: SELF }))),
    { reason: 'silent' },
    'unless nobody comes',
  )
})

t.test('lanes that nobody ever wrote are taken after the same time; no lanes never', async (t) => {
  const nobody: LaneSighting[] = [{ lane: 0, epoch: 0, lastSeq: 0, writer: undefined }]
  t.equal(judged(still(0, 2_000, nobody)), undefined)
  t.match(judged(still(0, 2_500, nobody)), { reason: 'silent', from: undefined, epochs: [0] })
  t.equal(judged(still(0, 9_000, [])), undefined)
})

t.test('what a standby needs and has not is said', async (t) => {
  const refused = (env: Record<string, string>) => {
    try {
      loadConfig({ env, role: 'standby' })
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  const DATABASE_URL = 'postgres://one,two/ledger'
  const MIZAN_MASTER_KEY = 'a5'.repeat(32)
  t.match(refused({ MIZAN_MASTER_KEY }), /database\.url is missing.*set DATABASE_URL/)
  t.match(refused({ DATABASE_URL }), /both processes need the same one; set MIZAN_MASTER_KEY/)
  t.equal(refused({ DATABASE_URL, MIZAN_MASTER_KEY }), '')
  t.match(refused({ DATABASE_URL: 'postgres://one,,two/l', MIZAN_MASTER_KEY }), /database\.url cannot be used/)
})
