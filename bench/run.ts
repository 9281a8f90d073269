import { checkInvariants } from './invariants.ts'
import { type BenchOptions, lanesOf } from './options.ts'
import { proofTable, runFigures, runTable } from './report.ts'
import { Session } from './session.ts'
import { note } from './terminal.ts'
import { Timeline } from './timeline.ts'
import { openWorld } from './world.ts'

/** `npm run bench`: one open-loop run at a fixed rate, then the proof that ledger and answers agree. */
export async function runBench(options: BenchOptions): Promise<boolean> {
  const { rate, seconds, warmup, mix, cards, seed, crypto } = options
  const world = await openWorld({ ...options, laneCount: lanesOf(options) })
  try {
    const capacity = Math.ceil(rate * (seconds + warmup)) + 1_000
    const session = await Session.open({
      world,
      mix,
      crypto,
      seed,
      capacity,
      linksPerDialect: options.links,
      ...(options.config === undefined ? {} : { config: options.config }),
      ...(options.cpuProf ? { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${world.varDir}/profiles`] } : {}),
    })
    try {
      note(
        `switch ready in ${Math.round(session.process.readyMs)} ms; ${rate}/s of ${mix}, crypto ${crypto}, for ${warmup} + ${seconds} s`,
      )
      const timeline = new Timeline()
      const step = await session.step({
        ratePerSecond: rate,
        warmupSeconds: warmup,
        seconds,
        onAnswer: (microseconds, sequence) => {
          timeline.answer(session.record, sequence, microseconds)
        },
      })
      // Last answers come behind the last second, in which nothing was asked.
      const perSecond = timeline.seconds().slice(0, Math.ceil(seconds))
      const figures = { ...runFigures(step, seconds), p99_ms_by_second: perSecond.map(({ p99_ms }) => p99_ms) }
      const comparison = await session.finish()
      const checks = options.verify ? await checkInvariants(world.url) : []
      const { lost, phantom, unansweredButPosted } = comparison
      const ok = lost === 0 && phantom === 0 && checks.every((check) => check.ok)
      if (options.json) {
        const invariants = checks.map(({ name, ok: holds }) => ({ name, ok: holds }))
        const proof = { lost, phantom, unanswered_but_posted: unansweredButPosted, invariants }
        const start_ms = Math.round(session.process.readyMs)
        const circumstances = { mix, crypto, cards, start_ms, load_seconds: world.loadSeconds ?? null }
        process.stdout.write(`${JSON.stringify({ ...figures, ...proof, ...circumstances })}\n`)
      } else {
        process.stdout.write(runTable(`${mix}, crypto ${crypto}, ${rate}/s, ${cards} cards`, figures))
        process.stdout.write(proofTable(comparison, checks))
      }
      return ok
    } finally {
      await session.close()
    }
  } finally {
    await world.close()
  }
}
