import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { assert, MizanError } from '../errors.ts'
import { noteAudit } from '../store/audit-store.ts'
import { accessMatrix } from './access-matrix.ts'
import { authenticate, authorize, nobody, sourceOf } from './authentication.ts'
import { numbersIn } from './card-guard.ts'
import { registerDocumentation } from './documentation.ts'
import type { RoutePlugin } from './http-server.ts'
import { PAGE_POLICY, wantsPage } from './pages.ts'
import { PROBLEM_TYPE } from './problem.ts'
import type { Actor, Answer, Call, Route } from './route.ts'
import { accountHostRoutes } from './routes/account-host.ts'
import { keyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { authRoutes } from './routes/auth.ts'
import { authorizationRoutes } from './routes/authorizations.ts'
import { bankRoutes } from './routes/bank.ts'
import { bankAnswerRoutes } from './routes/bank-answers.ts'
import { businessDayRoutes } from './routes/business-days.ts'
import { cardRoutes } from './routes/cards.ts'
import { changeRoutes } from './routes/change-requests.ts'
import { clearingFileRoutes } from './routes/clearing-files.ts'
import { clearingRequestRoutes } from './routes/clearing-requests.ts'
import { commandRoutes } from './routes/commands.ts'
import { deliveryRoutes } from './routes/delivery.ts'
import { householdRoutes } from './routes/households.ts'
import { issuanceRuleRoutes } from './routes/issuance-rules.ts'
import { ledgerRoutes } from './routes/ledger.ts'
import { membershipRoutes } from './routes/membership.ts'
import { networkClearingRoutes } from './routes/network-clearing.ts'
import { notificationRoutes } from './routes/notifications.ts'
import { orderRoutes } from './routes/orders.ts'
import { outboundRoutes } from './routes/outbound-messages.ts'
import { outletRoutes } from './routes/outlets.ts'
import { peopleRoutes } from './routes/people.ts'
import { personRoutes } from './routes/persons.ts'
import { placeRoutes } from './routes/places.ts'
import { programmeSimulationRoutes } from './routes/programme-simulations.ts'
import { programmeRoutes } from './routes/programmes.ts'
import { reconciliationRoutes } from './routes/reconciliation.ts'
import { settlementRoutes } from './routes/settlement.ts'
import { userRoutes } from './routes/users.ts'
import { verificationRoutes } from './routes/verification.ts'
import type { ApiServices } from './services.ts'
import { Checker, type Fault, InvalidRequest } from './validation.ts'

/** Path of the API's routes. */
export const API_PREFIX = '/api'
const VERSION_PREFIX = '/v1'
const KEY_HEADER = 'idempotency-key'
/** Printable, and no longer than what a command's key has room for. */
const KEY_FORM = /^[!-~]{1,64}$/

/** Every route of the API. */
export const apiRoutes: readonly Route[] = [
  ...authRoutes,
  ...userRoutes,
  ...keyRoutes,
  ...householdRoutes,
  ...cardRoutes,
  ...commandRoutes,
  ...authorizationRoutes,
  ...ledgerRoutes,
  ...businessDayRoutes,
  ...peopleRoutes,
  ...personRoutes,
  ...membershipRoutes,
  ...orderRoutes,
  ...placeRoutes,
  ...issuanceRuleRoutes,
  ...verificationRoutes,
  ...programmeRoutes,
  ...programmeSimulationRoutes,
  ...outletRoutes,
  ...notificationRoutes,
  ...outboundRoutes,
  ...reconciliationRoutes,
  ...accountHostRoutes,
  ...networkClearingRoutes,
  ...settlementRoutes,
  ...clearingFileRoutes,
  ...clearingRequestRoutes,
  ...deliveryRoutes,
  ...bankRoutes,
  ...bankAnswerRoutes,
  ...changeRoutes,
  ...auditRoutes,
]

/** The API as a set of routes: everything below `/api`, its OpenAPI description and its page. */
export function apiPlugin(services: ApiServices): RoutePlugin {
  return {
    prefix: API_PREFIX,
    routes: async (scope) => {
      scope.addHook('onRequest', async (_, reply) => {
        reply.headers({
          'cache-control': 'no-store',
          'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
          'cross-origin-resource-policy': 'same-origin',
          ...(services.production ? { 'strict-transport-security': 'max-age=31536000' } : {}),
        })
      })
      for (const route of apiRoutes) register(scope, services, route)
      registerDocumentation(scope, apiRoutes, services.version)
    },
  }
}

/** Path as the server knows it: `{cardId}` is `:cardId` there. */
function serverPath({ path }: Route): string {
  return `${VERSION_PREFIX}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
}

function register(scope: FastifyInstance, services: ApiServices, route: Route): void {
  const access = accessMatrix[route.action]
  assert(access !== undefined, `${route.action} stands in the access matrix`)
  const actors = new WeakMap<FastifyRequest, Actor>()
  const checkers = checkersOf(route)
  const handle = async (request: FastifyRequest, reply: FastifyReply) => {
    const actor = actors.get(request) ?? nobody
    const call = callOf(services, route, request, actor, checkers)
    const answer = await answered(call, route)
    return reply
      .code(answer.status)
      .headers(answer.headers ?? {})
      .send(await textOf(reply, route, answer, checkers))
  }
  const where = {
    method: route.method,
    url: serverPath(route),
    // Before the body is read: whoever may not call gets nowhere.
    onRequest: async (request: FastifyRequest) => {
      if (access === 'open') return
      const actor = await authenticate(services, request)
      actors.set(request, actor)
      try {
        authorize(actor, route.action, access)
      } catch (error) {
        await noteRefusal(services, request, actor, route.action, 'denied', error)
        throw error
      }
    },
    handler: handle,
  }
  if (route.upload === undefined) {
    scope.route(where)
    return
  }
  // In a scope of its own: only here may a body be a file, which is read as it comes.
  const types = [...route.upload]
  scope.register((inner, _, done) => {
    inner.removeAllContentTypeParsers()
    inner.addContentTypeParser(types, (_request, payload, parsed) => parsed(null, payload))
    inner.route(where)
    done()
  })
}

interface Checkers {
  readonly params: Checker | undefined
  readonly query: Checker
  readonly body: Checker | undefined
  readonly answers: ReadonlyMap<number, Checker>
}

function checkersOf(route: Route): Checkers {
  const answers = Object.entries(route.answers).flatMap(([status, schema]): [number, Checker][] =>
    schema === null ? [] : [[Number(status), new Checker(schema)]],
  )
  return {
    params: route.params && new Checker(route.params),
    query: new Checker(route.query ?? { type: 'object', properties: {}, additionalProperties: false }),
    body: route.body && new Checker(route.body),
    answers: new Map(answers),
  }
}

/** Checks all parts of a request, so that all that is wrong is said at once. */
function callOf(
  services: ApiServices,
  route: Route,
  request: FastifyRequest,
  actor: Actor,
  checkers: Checkers,
): Call & { readonly isLooked: () => boolean } {
  const faults: Fault[] = []
  const params = checkers.params?.converted(request.params) ?? {}
  const query = checkers.query.converted(request.query)
  const body = route.upload === undefined ? request.body : undefined
  faults.push(
    ...(checkers.params?.requestFaults(params, 'path') ?? []),
    ...checkers.query.requestFaults(query, 'query'),
  )
  if (checkers.body !== undefined) faults.push(...checkers.body.requestFaults(body ?? null, 'body'))
  else if (route.upload === undefined && !isEmpty(body))
    faults.push({ in: 'body', pointer: '', detail: 'is not known here' })
  const idempotencyKey = String(request.headers[KEY_HEADER] ?? '')
  if (route.changes === true && !(KEY_FORM.test(idempotencyKey) && !/\d{13}/.test(idempotencyKey))) {
    const detail =
      'is needed: 1 to 64 printable characters without blanks or 13 digits in a row, such as a UUID, another for each change'
    faults.push({ in: 'header', pointer: `/${KEY_HEADER}`, detail })
  }
  faults.push(...numbersIn(body, route.body))
  if (faults.length > 0) throw new InvalidRequest(faults)
  const source = sourceOf(request)
  let looked = false
  return {
    services,
    actor,
    source,
    requestId: request.id,
    action: route.action,
    wantsPage: wantsPage(request.headers.accept),
    target: `${request.method} ${request.url.split('?')[0] ?? ''}`,
    params,
    query,
    body,
    idempotencyKey,
    upload: route.upload === undefined ? undefined : ((request.body ?? createReadStream('/dev/null')) as Readable),
    isLooked: () => looked,
    looked: async (households, detail) => {
      looked = true
      await services.database.change((client) =>
        noteAudit(client, {
          actor: actor.id,
          source,
          requestId: request.id,
          action: route.action,
          outcome: 'looked',
          households,
          detail: { target: request.url.split('?')[0] ?? '', ...detail },
        }),
      )
    },
  }
}

/** A route without a body is content with an empty one, as many programs send it. */
function isEmpty(body: unknown): boolean {
  return body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0)
}

/** Runs a route; what a change was refused for is noted. */
async function answered(call: Call & { readonly isLooked: () => boolean }, route: Route): Promise<Answer> {
  try {
    const answer = await route.handler(call)
    assert(route.citizen !== true || call.isLooked(), `${route.action} says whom it looks at`)
    return answer
  } catch (error) {
    if (route.changes === true && error instanceof MizanError && error.entry.httpStatus < 500) {
      const { services, source, requestId, actor, action, target } = call
      await services.database
        .change((client) =>
          noteAudit(client, {
            actor: actor.id,
            source,
            requestId,
            action,
            outcome: 'refused',
            detail: { target, code: error.code },
          }),
        )
        .catch(() => undefined)
    }
    throw error
  }
}

async function noteRefusal(
  services: ApiServices,
  request: FastifyRequest,
  actor: Actor,
  action: string,
  outcome: 'denied',
  error: unknown,
): Promise<void> {
  const code = error instanceof MizanError ? error.code : ''
  await services.database.change((client) =>
    noteAudit(client, {
      actor: actor.id,
      source: sourceOf(request),
      requestId: request.id,
      action,
      outcome,
      detail: { code },
    }),
  )
}

/** The body of an answer, with nothing in it that its schema does not name. */
async function textOf(
  reply: FastifyReply,
  route: Route,
  answer: Answer,
  checkers: Checkers,
): Promise<string | undefined> {
  const { status, body, stored, page } = answer
  reply.type(status >= 400 ? PROBLEM_TYPE : 'application/json; charset=utf-8')
  if (stored !== undefined) return stored
  if (page !== undefined) {
    reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY)
    return page
  }
  const checker = checkers.answers.get(status)
  assert(status in route.answers, `${route.action} may answer ${status}`)
  if (checker === undefined) {
    reply.removeHeader('content-type')
    return undefined
  }
  const cleaned = checker.cleaned(body)
  const [fault] = checker.faults(cleaned, 'body')
  assert(fault === undefined, `the answer of ${route.action} is as described: ${fault?.pointer} ${fault?.detail}`)
  return JSON.stringify(cleaned)
}
