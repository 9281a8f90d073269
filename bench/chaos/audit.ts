import { requestStates } from '../../src/simulator/load-record.ts'
import { connect } from '../../src/store/connection.ts'
import type { CheckResult } from '../../src/store/verify.ts'
import { type ClientRecord, type Comparison, compareWithLedger } from '../compare.ts'
import { checkInvariants } from '../invariants.ts'
import type { Stage } from './stage.ts'

/** What the client's own record says against the ledger. */
export interface Audit {
  readonly comparison: Comparison
  /** Postings that were neither answered nor reversed. */
  readonly unsettled: number
  /** Reversals whose answer and whose original in the journal do not fit. */
  readonly misreversed: number
  readonly invariants: readonly CheckResult[]
}

/** The audit in words, one for each thing that is not as it must be. */
export function violationsOf({ comparison, unsettled, misreversed, invariants }: Audit): string[] {
  const { lost, phantom, examples } = comparison
  const counts = { lost, phantom, 'posted, neither answered nor reversed': unsettled, 'reversed wrongly': misreversed }
  return [
    ...Object.entries(counts).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`])),
    ...(lost + phantom === 0 ? [] : examples),
    ...invariants.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`),
  ]
}

/**
 * Compares while the load goes on: what was answered before the ledger is read must be in it, from the oldest request
 * whose fate was open at the last time.
 */
export async function auditLive(stage: Stage, fromSequence: number): Promise<Audit> {
  const { record, traffic, marks } = stage.session
  const before = record.last
  const state = record.state.slice()
  // Those that are sent meanwhile may be in the ledger, and need not be.
  state.fill(requestStates.sent, before + 1)
  const known: ClientRecord = {
    last: record.capacity,
    state,
    responseCode: record.responseCode,
    approvalCode: record.approvalCode,
    amountPiasters: record.amountPiasters,
    template: record.template,
  }
  const client = await connect({ url: stage.world.url, name: 'mizan chaos' })
  try {
    const comparison = await compareWithLedger(client, marks, known, traffic, { fromSequence })
    return { comparison, unsettled: 0, misreversed: 0, invariants: await checkInvariants(stage.world.url) }
  } finally {
    await client.end()
  }
}

/** A load and the database that it was played on. */
export interface AuditedRun {
  readonly session: Pick<Stage['session'], 'record' | 'traffic' | 'marks' | 'generator'>
  readonly world: Pick<Stage['world'], 'url'>
}

/** Compares everything, when the load and the switch have ended. */
export async function auditAtEnd({ session, world }: AuditedRun): Promise<Audit> {
  const { record, traffic, marks, generator } = session
  const approved = new Uint8Array(record.last + 1)
  const client = await connect({ url: world.url, name: 'mizan chaos' })
  try {
    const onApproval = (sequence: number) => {
      approved[sequence] = 1
    }
    const comparison = await compareWithLedger(client, marks, record, traffic, { onApproval })
    const reversals = generator.followUps?.reversalOf ?? new Map<number, number>()
    let unsettled = 0
    let misreversed = 0
    for (let sequence = 1; sequence <= record.last; sequence++) {
      if (approved[sequence] !== 1 || record.state[sequence] !== requestStates.sent) continue
      const { mti, amountPiasters } = traffic.template(record.template[sequence] as number).source.content
      // An inquiry moves nothing.
      if (amountPiasters === 0) continue
      const reversal = mti.startsWith('04') ? sequence : reversals.get(sequence)
      const fate = reversal === undefined ? requestStates.unsent : record.state[reversal]
      if (fate === requestStates.approved) continue
      if (fate === requestStates.declined) misreversed += 1
      else unsettled += 1
    }
    return { comparison, unsettled, misreversed, invariants: await checkInvariants(world.url) }
  } finally {
    await client.end()
  }
}
