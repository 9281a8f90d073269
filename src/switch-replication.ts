import { MizanError } from './errors.ts'
import { keptConnection } from './store/kept-connection.ts'
import { type ReplicationState, readReplication } from './store/replication.ts'
import type { SwitchBase } from './switch-base.ts'
import { notSynchronous, synchronousAgain } from './telemetry/availability-events.ts'

/** Looks at the database's own standbys from time to time. */
export interface ReplicationWatch {
  /**
   * Resolves after the first look, where one is needed. Rejects where commits must wait for a standby of the database
   * and do not.
   */
  readonly required: Promise<void>
  close(): Promise<void>
}

const LOOK_EVERY_MS = 5_000

/** Keeps the metrics of replication, and says when commits stop waiting for a standby that they should wait for. */
export function watchReplication({ config, database, metrics, log }: SwitchBase): ReplicationWatch {
  const { synchronousStandby: wanted } = config.availability
  const gauges = metrics.availability
  // Not of the application's role: the owner of the connection may see the sessions of standbys.
  const connection = keptConnection({ url: database.url, name: 'mizan replication', queryTimeoutMs: LOOK_EVERY_MS })
  let missing = false
  const look = async (): Promise<ReplicationState> => {
    const state = await connection.use(readReplication)
    gauges.replicas.reset()
    for (const [part, count] of Object.entries(state.standbys)) gauges.replicas.set({ state: part }, count)
    gauges.replicationLagBytes.set(state.lagBytes ?? Number.NaN)
    gauges.synchronousCommit.set(state.synchronous ? 1 : 0)
    if (wanted !== 'off' && state.synchronous === missing) {
      missing = !state.synchronous
      if (missing) notSynchronous(log, { detail: inWords(state) })
      else synchronousAgain(log)
    }
    return state
  }
  const require = async () => {
    const state = await look()
    if (wanted !== 'require' || state.synchronous) return
    throw new MizanError('CONFLICT', `availability.synchronousStandby says require: ${inWords(state)}`)
  }
  const required = wanted === 'off' ? Promise.resolve() : require()
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS).unref()
  return {
    required,
    async close() {
      clearInterval(timer)
      await connection.close()
    },
  }
}

function inWords({ standbys, unknown }: ReplicationState): string {
  if (unknown !== undefined) return `whether commits wait for a standby is not known: ${unknown}`
  const attached = Object.entries(standbys).map(([part, count]) => `${count} ${part}`)
  return `no synchronous standby of the database is attached (${attached.join(', ') || 'none at all'}); see docs/availability.md`
}
