import { type CarryOutOptions, carryOut } from '../clearing/carry-out.ts'
import { onConnection } from '../clearing/delivery/day-files.ts'
import { describeError, MizanError, TurnTaken } from '../errors.ts'
import { beginRequest, type ClearingRequest, endRequest, isRequestWaiting } from '../store/clearing/requests.ts'
import type { Client } from '../store/connection.ts'
import type { WaitedForJob } from './waited-for-job.ts'

/** A request that is cut off, finds no writer or another process at the same work is tried so often. */
const ATTEMPTS_MAX = 30
const NOTHING = 'nothing was asked for'

/**
 * The job that does what people asked for over HTTP: corrections and signatures of files, verifications, runs of
 * settlement and of reconciliation.
 */
export function clearingRequestJob(options: CarryOutOptions): WaitedForJob {
  const atDatabase = <T>(work: (client: Client) => Promise<T>) =>
    onConnection(options.url, 'mizan clearing requests', work)
  return {
    name: 'clearing-requests',
    cron: '* * * * *',
    description:
      'correct, sign and verify clearing files, settle and reconcile business dates, as people asked over HTTP',
    look: async () => ((await atDatabase(isRequestWaiting)) ? undefined : NOTHING),
    run: (signal) =>
      atDatabase(async (client) => {
        const done: string[] = []
        let request = await beginRequest(client, 0)
        while (request !== undefined) {
          const end = await attempt(request, options, signal)
          await endRequest(client, request.id, end)
          done.push(`${request.kind} ${request.id}: ${end.state}`)
          if (signal.aborted) break
          request = await beginRequest(client, request.id)
        }
        return done.length === 0 ? NOTHING : done.join(', ').slice(0, 400)
      }),
  }
}

async function attempt(request: ClearingRequest, options: CarryOutOptions, signal: AbortSignal) {
  // Its process died each time: what does that once more keeps all others waiting.
  if (request.attempts > ATTEMPTS_MAX) {
    return { state: 'failed' as const, words: `given up after ${ATTEMPTS_MAX} attempts: ${request.words ?? 'cut off'}` }
  }
  try {
    return { state: 'done' as const, words: await carryOut(request, options, signal) }
  } catch (error) {
    const goesOn = signal.aborted || isPassing(error)
    const state = goesOn && request.attempts < ATTEMPTS_MAX ? ('waiting' as const) : ('failed' as const)
    return { state, words: describeError(error) }
  }
}

/** No switch posts, the database is away, or another process is at the same work: it is tried again. */
function isPassing(error: unknown): boolean {
  if (error instanceof TurnTaken) return true
  return error instanceof MizanError && (error.code === 'WRITER_SILENT' || error.code === 'STORE_UNAVAILABLE')
}
