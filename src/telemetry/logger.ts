import pino from 'pino'
import { maskText } from './mask.ts'

/** Structured logger. Log through the functions of events.ts, which say what belongs in an event. */
export type Logger = pino.Logger

/** How to log. */
export interface LoggerOptions {
  /** Least level logged. Default info. */
  readonly level?: string
  /** Lines for people instead of JSON. Default false. */
  readonly pretty?: boolean
  /** Where lines go. Default stderr: stdout is for the output of commands. */
  readonly destination?: { write(line: string): unknown }
}

/**
 * Makes the logger: one JSON object a line, on stderr, with card data and keys masked in the finished line.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true })
  const shape = options.pretty === true ? prettyLine : (line: string) => line
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    { write: (line: string) => void destination.write(maskText(shape(line))) },
  )
}

const CAUSES_MAX = 4

/**
 * Keeps what identifies an error. Other properties are left out: the driver's carry rows (`detail`, `where`) and
 * statements.
 */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error
  const { code, cause } = error as Error & { code?: unknown }
  return {
    type: error.name,
    ...(code === undefined ? {} : { code: String(code) }),
    message: error.message,
    stack: error.stack,
    ...(cause === undefined || depth >= CAUSES_MAX ? {} : { cause: serializeError(cause, depth + 1) }),
    ...(error instanceof AggregateError && depth < CAUSES_MAX
      ? { errors: error.errors.slice(0, CAUSES_MAX).map((one) => serializeError(one, depth + 1)) }
      : {}),
  }
}

/** `21:05:09.123 info  link connected  link=ascii remote=…`, then the stack of an error. */
function prettyLine(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const { stack, message } = (err ?? {}) as { stack?: string; message?: string }
  const head = `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(msg ?? '')}`
  return `${[head, ...pairs].join('  ')}${err === undefined ? '' : `\n  ${stack ?? message ?? JSON.stringify(err)}`}\n`
}
