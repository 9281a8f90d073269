import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { listJobs, type ScheduledJob, triggerJob, withQueue } from '../jobs/scheduler.ts'
import type { JobRun } from '../store/job-runs.ts'
import { SECOND_MS } from '../time-units.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { authorOf } from './keys-desk.ts'

const WAIT_MAX_S = 86_400

/** `mizan job`: what runs at its times, and running it now. */
export function jobCommand(io: CommandIo = processIo): Command {
  return new Command('job')
    .description('jobs that run at their times: the last runs, and a run now')
    .addCommand(listCommand(io))
    .addCommand(runCommand(io))
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list the jobs with their times (Cairo) and how they last ended')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atDatabase(io, options, 'mizan job', ({ client, url }) =>
      withQueue(url, async (boss) => {
        const jobs = await listJobs(client, boss)
        if (options.json) io.out(`${JSON.stringify(jobs)}\n`)
        else for (const job of jobs) io.out(`${jobInWords(job)}\n`)
      }),
    ),
  )
}

function runCommand(io: CommandIo): Command {
  const command = new Command('run')
    .description('run a job now; the switch that runs jobs carries it out')
    .argument('<name>', 'name of the job; mizan job list says them')
    .option('--timeout <seconds>', 'how long to wait for its end', '60')
  return withCommonOptions(command).action((name: string, options: CommonOptions & { readonly timeout: string }) =>
    atDatabase(io, options, 'mizan job', ({ client, url }) =>
      withQueue(url, async (boss) => {
        const waitMs = parseTimeout(options.timeout)
        const run = await triggerJob(client, boss, name, authorOf(io).user, waitMs)
        if (run === undefined) {
          throw new MizanError('LINK_TIMEOUT', `job ${name} has not ended yet; it runs once a switch runs jobs`)
        }
        if (options.json) io.out(`${JSON.stringify(run)}\n`)
        else io.out(`${name} ${runInWords(run)}\n`)
        if (run.end?.done !== true) process.exitCode = 1
      }),
    ),
  )
}

function jobInWords({ name, cron, description, last }: ScheduledJob): string {
  return `${name}  ${cron}  ${description}\n  ${last === undefined ? 'has not run yet' : `last ${runInWords(last)}`}`
}

function runInWords({ startedAtMs, triggeredBy, end }: JobRun): string {
  const begun = `begun ${new Date(startedAtMs).toISOString()} by ${triggeredBy}`
  if (end === undefined) return `${begun}, not ended`
  const seconds = ((end.atMs - startedAtMs) / SECOND_MS).toFixed(1)
  return `${begun}, ${end.done ? 'done' : 'failed'} after ${seconds} s: ${end.detail}`
}

function parseTimeout(text: string): number {
  const seconds = Number(text)
  if (/^\d{1,5}$/.test(text) && seconds <= WAIT_MAX_S) return seconds * SECOND_MS
  throw new MizanError('BAD_INPUT', `--timeout is 0 to ${WAIT_MAX_S} seconds`)
}
