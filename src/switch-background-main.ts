/**
 * The process that does heavy work of a switch beside its lanes; `switch-background.ts` starts it and says what to do.
 */
import { Registry } from 'prom-client'
import { runDays } from './clearing/day/machine.ts'
import type { Config } from './config/config.ts'
import { masterKeySource } from './config/master-key-source.ts'
import { describeError, MizanError } from './errors.ts'
import { loadMasterKey, type MasterKey } from './security/master-key.ts'
import { requireSelfTest } from './security/self-test.ts'
import type { BackgroundTask, BackgroundTasks, FromBackground, ToBackground } from './switch-background.ts'
import { daySteps } from './switch-clearing.ts'
import { openKeys } from './switch-keys.ts'
import { countedIn, forgetGauges, receivingJobs, receivingMetrics } from './switch-receiving.ts'
import { createLogger, type Logger } from './telemetry/logger.ts'
import { systemClock } from './timing.ts'
import { endOnDefect } from './uncaught.ts'

interface Opened {
  readonly config: Config
  readonly url: string
  readonly log: Logger
}

type Work<T extends BackgroundTask> = (
  opened: Opened,
  input: BackgroundTasks[T]['input'],
  signal: AbortSignal,
) => Promise<BackgroundTasks[T]['result']>

let masterKey: Promise<MasterKey> | undefined

/** Read anew for each piece of work: keys may have come since. The master key is asked for once. */
async function keysOf({ config, url }: Opened) {
  masterKey ??= loadMasterKey(masterKeySource(config))
  masterKey.catch(() => {
    masterKey = undefined
  })
  return await openKeys({ url, masterKey: await masterKey, clock: systemClock })
}

const tasks: { readonly [T in BackgroundTask]: Work<T> } = {
  async days(opened, _input, signal) {
    const { config, url, log } = opened
    const { protection } = await keysOf(opened)
    const steps = daySteps({ config, protection })
    return await runDays({ url, folder: config.clearing.folder, steps, log, nowMs: systemClock.now, signal })
  },
  async receive(opened, { job: name }, signal) {
    const registry = new Registry()
    const metrics = receivingMetrics(registry)
    forgetGauges(registry)
    const jobs = receivingJobs({ ...opened, ...metrics, keys: await keysOf(opened), clock: systemClock })
    const job = jobs.find((one) => one.name === name)
    if (job === undefined) throw new MizanError('ASSERTION_FAILED', `there is no job ${name} that takes files in`)
    try {
      const words = await job.run(signal)
      return { words, counted: await countedIn(registry) }
    } catch (error) {
      // What was counted before it failed counts.
      return { failure: describeError(error), counted: await countedIn(registry) }
    }
  },
}

const stopping = new Map<number, AbortController>()
let opened: Opened | undefined

// The switch sees it end, and asks for the same work again.
endOnDefect(() => opened?.log ?? createLogger())

function say(message: FromBackground): void {
  if (process.connected) process.send?.(message)
}

async function work(id: number, task: BackgroundTask, input: unknown): Promise<void> {
  const controller = new AbortController()
  stopping.set(id, controller)
  try {
    if (opened === undefined) throw new MizanError('ASSERTION_FAILED', 'work came before what it is done with')
    // What the switch says is of the types that both sides share.
    const run = tasks[task] as (opened: Opened, input: unknown, signal: AbortSignal) => Promise<unknown>
    const result = await run(opened, input, controller.signal)
    say({ kind: 'done', id, result })
  } catch (error) {
    const code = error instanceof MizanError ? error.code : undefined
    say({ kind: 'failed', id, code, message: describeError(error) })
  } finally {
    stopping.delete(id)
  }
}

process.on('message', (message: ToBackground) => {
  if (message.kind === 'open') {
    const { config, url } = message
    opened = { config, url, log: createLogger({ level: config.log.level, pretty: config.log.pretty }) }
    requireSelfTest()
  } else if (message.kind === 'stop') stopping.get(message.id)?.abort(new MizanError('CONFLICT', 'told to stop'))
  else void work(message.id, message.task, message.input)
})

// The switch has gone, or wants no more: what is under way can be cut off at any place.
process.on('disconnect', () => process.exit(0))

// A signal to the whole group is for the switch, which ends this process when it has ended its own work.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
