import type { Readable } from 'node:stream'
import type { Static, TSchema } from 'typebox'
import { assert } from '../errors.ts'
import type { Role } from '../store/access-users.ts'
import type { ApiServices } from './services.ts'

/** Who calls. */
export interface Actor {
  readonly kind: 'user' | 'key'
  /** As it stands in the audit: `user:NAME` or `key:ID`. */
  readonly id: string
  /** The person who answers for it: of a key, who made it. */
  readonly person: string
  readonly roles: readonly Role[]
  /** The password has to be changed before anything else. */
  readonly mustChange: boolean
  /** Hash of the token of the session; undefined for a key. */
  readonly tokenHash: Buffer | undefined
}

/** A call of a route, its parts checked. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly services: ApiServices
  readonly actor: Actor
  /** Address of the caller. */
  readonly source: string
  readonly requestId: string
  /** Method and route, such as `POST /cards/{cardId}/block`. */
  readonly action: string
  /** Whether the caller would rather have a page for people than JSON, where a route has one. */
  readonly wantsPage: boolean
  /** Method and path as called, without the query. */
  readonly target: string
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Present on each route that changes something. */
  readonly idempotencyKey: string
  /** Body of a route that takes a file. */
  readonly upload: Readable | undefined
  /** Notes in the audit that these households are looked at; what is found is sent after that. */
  looked(households: readonly number[], detail?: Readonly<Record<string, unknown>>): Promise<void>
}

/** What a route answers. */
export interface Answer {
  readonly status: number
  /** Absent for 204. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** JSON as it was kept from the first time; stands in place of `body`. */
  readonly stored?: string
  /** A page for people, complete and escaped; stands in place of `body`. */
  readonly page?: string
}

/** How a route is described; each part of a call is checked against its schema. */
export interface RouteSpec<P extends TSchema, Q extends TSchema, B extends TSchema> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/api/v1`, with `{names}` in braces, as the access matrix and OpenAPI name it. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Takes a file of one of these media types in place of a JSON body. */
  readonly upload?: readonly string[]
  /** Schemas of the answers by status; null = no body. Errors are problems and stand in all. */
  readonly answers: Readonly<Record<number, TSchema | null>>
  /** Whether it changes something, and so needs an idempotency key. */
  readonly changes?: boolean
  /** Whether it shows what concerns a citizen: it has to say whom, before it answers. */
  readonly citizen?: boolean
  readonly handler: (call: Call<Static<P>, Static<Q>, Static<B>>) => Promise<Answer>
}

/** A route whose types are checked and done with. */
export interface Route extends Omit<RouteSpec<TSchema, TSchema, TSchema>, 'handler'> {
  /** Key of the access matrix. */
  readonly action: string
  readonly handler: (call: Call) => Promise<Answer>
}

/** Makes a route of its description. */
export function route<P extends TSchema, Q extends TSchema, B extends TSchema>(spec: RouteSpec<P, Q, B>): Route {
  assert(spec.method !== 'GET' || spec.changes !== true, 'what is got does not change')
  return {
    ...spec,
    action: `${spec.method} ${spec.path}`,
    // The parts of a call have been checked against the schemas by the time it gets here.
    handler: spec.handler as unknown as (call: Call) => Promise<Answer>,
  }
}

/** An answer with a body. */
export function ok(body: unknown): Answer {
  return { status: 200, body }
}
