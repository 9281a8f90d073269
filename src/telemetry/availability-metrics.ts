import { Gauge, type Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Parts that a process plays; exactly one is 1. */
const processRoles = ['starting', 'active', 'standby', 'stopping'] as const
export type ProcessRole = (typeof processRoles)[number]

/** Metrics of who writes the lanes, and of the database's own standbys. */
export type AvailabilityMetrics = ReturnType<typeof createAvailabilityMetrics>

/** Makes the metrics of availability on a registry. */
export function createAvailabilityMetrics(registry: Registry) {
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new FastCounter(registry, name, help, labelNames)
  return {
    role: gauge('mizan_role', 'Part that this process plays: 1 at the role it has', ['role']),
    /** Read when the page is asked for. */
    ready: gauge('mizan_ready', 'Whether /readyz says that this process is ready to answer: 1 it is, 0 it is not'),
    standbys: gauge('mizan_standby_processes', 'Processes that stand by, as the one that writes the lanes sees them'),
    /** Reason: silent, released. */
    takeovers: counter('mizan_takeovers_total', 'Lanes taken over from another process, by why', ['reason']),
    fenced: counter('mizan_fenced_total', 'Times that another process took the lanes over from this one').child(),
    heartbeatFailures: counter(
      'mizan_heartbeat_failures_total',
      'Times that heartbeats began to fail: the database is away, or slow',
    ).child(),
    replicas: gauge('mizan_database_standbys', 'Standbys of the database by their part in commits', ['state']),
    replicationLagBytes: gauge(
      'mizan_database_replication_lag_bytes',
      'Journal of the database that its synchronous standby has not written yet; NaN = unknown',
    ),
    synchronousCommit: gauge(
      'mizan_database_synchronous_commit',
      'Whether commits wait for a standby of the database: 1 they do, 0 they do not',
    ),
    /** Sets which role it is. */
    play(current: ProcessRole): void {
      for (const role of processRoles) this.role.set({ role }, role === current ? 1 : 0)
    },
  }
}
