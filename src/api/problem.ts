import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errorCatalogue, MizanError } from '../errors.ts'
import { type Fault, InvalidRequest } from './validation.ts'

/** Body of an error answer; RFC 9457. */
export interface Problem {
  /** `urn:mizan:error:` and the code of docs/errors.md. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  /** Code of the catalogue, for programs. */
  readonly code: string
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** Identifies the request in the log. */
  readonly instance: string
  /** Each fault of a request that is not as it should be. */
  readonly errors?: readonly Fault[]
}

const HTTP_TITLES: Readonly<Record<number, string>> = {
  400: 'the request is not valid',
  404: 'there is no such page',
  405: 'the method is not allowed here',
  413: 'the request is too large',
  415: 'the media type is not supported',
  429: 'too many requests',
}

/** Media type of an error answer. */
export const PROBLEM_TYPE = 'application/problem+json'

/** A route as a server knows it: method, and path with `:names`. */
export interface KnownRoute {
  readonly method: string
  readonly url: string
}

/**
 * Makes every failure of a route an `application/problem+json` answer. What a caller did wrong is told in full; a fault
 * of the program is told by its code only and goes to `onFault` with its stack.
 * @param known the routes there are: a path that only other methods have is answered 405
 */
export function registerProblems(
  app: FastifyInstance,
  onFault: (request: FastifyRequest, error: unknown) => void,
  known: readonly KnownRoute[] = [],
): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = describeProblem(error, request.id)
    if (problem.status >= 500 && !problem.retryable) onFault(request, error)
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
    return send(reply, problem)
  })
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf(known, request.url.split('?')[0] ?? '')
    if (allowed.length === 0) return send(reply, fromStatus(404, request.id, `no route ${request.method} here`))
    reply.header('allow', allowed.join(', '))
    return send(reply, fromStatus(405, request.id, `allowed here: ${allowed.join(', ')}`))
  })
}

function methodsOf(known: readonly KnownRoute[], path: string): string[] {
  const segments = path.split('/')
  const fits = ({ url }: KnownRoute) => {
    const wanted = url.split('/')
    return (
      wanted.length === segments.length &&
      !url.includes('*') &&
      wanted.every((segment, at) => segment.startsWith(':') || segment === segments[at])
    )
  }
  return [...new Set(known.filter(fits).map(({ method }) => method))].sort()
}

/** Sends a problem as the answer. */
export function send(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem))
}

/**
 * An error in the words of a problem.
 * @param instance identifies the request
 */
export function describeProblem(error: unknown, instance: string): Problem {
  if (error instanceof InvalidRequest) {
    return { ...fromCatalogue('BAD_INPUT', instance, undefined), errors: error.faults }
  }
  if (error instanceof MizanError) {
    // The text of an internal failure may name tables and hosts, which are no caller's business.
    const detail = error.entry.httpStatus < 500 ? error.message : undefined
    return fromCatalogue(error.code, instance, detail)
  }
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return fromStatus(statusCode, instance, message)
  return fromCatalogue('ASSERTION_FAILED', instance, undefined)
}

function fromCatalogue(code: ErrorCode, instance: string, detail: string | undefined): Problem {
  const { summary, httpStatus, retryable } = errorCatalogue[code]
  const base = { type: `urn:mizan:error:${code}`, title: summary, status: httpStatus, code, retryable, instance }
  return detail === undefined ? base : { ...base, detail }
}

function fromStatus(status: number, instance: string, detail: string | undefined): Problem {
  const code = status === 404 ? 'NOT_FOUND' : 'BAD_INPUT'
  const title = HTTP_TITLES[status] ?? 'the request is refused'
  const base = { type: `urn:mizan:error:${code}`, title, status, code, retryable: status === 429, instance }
  return detail === undefined ? base : { ...base, detail }
}
