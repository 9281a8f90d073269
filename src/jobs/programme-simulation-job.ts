import { onConnection } from '../clearing/delivery/day-files.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Client } from '../store/connection.ts'
import { findProgramme } from '../store/programme-reader.ts'
import { replayCandidate, replayProgramme } from '../store/programme-replay.ts'
import {
  beginSimulation,
  endSimulation,
  isSimulationWaiting,
  noteProgress,
  type ProgrammeSimulation,
  type SimulationEnd,
} from '../store/programme-simulations.ts'
import type { WaitedForJob } from './waited-for-job.ts'

/** A simulation that is cut off is begun anew so often. */
const ATTEMPTS_MAX = 10
const NOTHING = 'nothing was asked for'

/** The job that decides past draws again under versions of programmes, as people asked for over HTTP. */
export function programmeSimulationJob({ url }: { readonly url: string }): WaitedForJob {
  const atDatabase = <T>(work: (client: Client) => Promise<T>) => onConnection(url, 'mizan programme simulations', work)
  return {
    name: 'programme-simulations',
    cron: '* * * * *',
    description: 'decide past draws again under versions of programmes, as people asked over HTTP',
    look: async () => ((await atDatabase(isSimulationWaiting)) ? undefined : NOTHING),
    run: (signal) =>
      // The journal is read in one long snapshot, beside which progress is written down.
      atDatabase((notes) =>
        atDatabase(async (journal) => {
          const done: string[] = []
          let simulation = await beginSimulation(notes, 0)
          while (simulation !== undefined) {
            const end = await attempt(simulation, { notes, journal }, signal)
            await endSimulation(notes, simulation.id, end)
            done.push(`${simulation.code} version ${simulation.version}: ${end.state}`)
            if (signal.aborted) break
            simulation = await beginSimulation(notes, simulation.id)
          }
          return done.length === 0 ? NOTHING : done.join(', ').slice(0, 400)
        }),
      ),
  }
}

async function attempt(
  { id, code, version, checksum, from, to, attempts, words }: ProgrammeSimulation,
  { notes, journal }: { readonly notes: Client; readonly journal: Client },
  signal: AbortSignal,
): Promise<SimulationEnd> {
  // Its process died each time: what does that once more keeps all others waiting.
  if (attempts > ATTEMPTS_MAX) {
    return { state: 'failed', words: `given up after ${ATTEMPTS_MAX} attempts: ${words ?? 'cut off'}` }
  }
  try {
    const found = await findProgramme(notes, code, version)
    if (found.checksum !== checksum) {
      throw new MizanError('CONFLICT', 'the draft was written anew since this was asked for: ask again')
    }
    let noting: Promise<unknown> = Promise.resolve()
    const onProgress = (messages: number) => {
      noting = noting.then(() => noteProgress(notes, id, messages)).catch(() => undefined)
    }
    const report = await replayProgramme(journal, replayCandidate(found.file), { from, to }, { onProgress, signal })
    await noting
    return { state: 'done', report }
  } catch (error) {
    const goesOn = signal.aborted || (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE')
    return { state: goesOn && attempts < ATTEMPTS_MAX ? 'waiting' : 'failed', words: describeError(error) }
  }
}
