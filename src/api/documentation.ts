import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { accessMatrix } from './access-matrix.ts'
import type { Route } from './route.ts'
import { shape } from './shapes.ts'

const DOCS_PATH = '/docs'
/** The page and its scripts come from here; it asks nobody else, and nobody else may frame it. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const problemShape = shape({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.Optional(Type.String()),
  code: Type.String({ description: 'Code of docs/errors.md.' }),
  retryable: Type.Boolean(),
  instance: Type.String({ description: 'Identifies the request in the log and the audit.' }),
  errors: Type.Optional(
    Type.Array(
      shape({
        in: Type.Enum(['path', 'query', 'header', 'body']),
        pointer: Type.String({ description: 'RFC 6901.' }),
        detail: Type.String(),
      }),
    ),
  ),
})

const problemAnswer = {
  description: 'refused, or failed: a problem (RFC 9457)',
  content: { 'application/problem+json': { schema: problemShape } },
}

const statusWords: Readonly<Record<string, string>> = {
  200: 'done, or found',
  201: 'made',
  202: 'taken, and not ended yet: see Location',
  204: 'done; there is nothing to say',
}

/**
 * Adds `GET /openapi.json` and the page `/docs`. They are made of the routes' own schemas when somebody first asks, in
 * an application of their own: a switch that nobody browses never loads what they need.
 */
export function registerDocumentation(scope: FastifyInstance, routes: readonly Route[], version: string): void {
  let made: Promise<FastifyInstance> | undefined
  const documentation = () => {
    made ??= makeDocumentation(routes, version)
    return made
  }
  scope.addHook('onClose', async () => (await made)?.close())
  scope.get('/openapi.json', async (_, reply) => {
    const app = await documentation()
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(app.swagger()))
  })
  for (const url of [DOCS_PATH, `${DOCS_PATH}/*`]) {
    scope.get(url, async (request, reply) => {
      const found = await (await documentation()).inject({ method: 'GET', url: request.url })
      const { 'content-type': type, location } = found.headers
      reply.code(found.statusCode).header('content-security-policy', DOCS_POLICY)
      if (typeof type === 'string') reply.type(type)
      if (typeof location === 'string') reply.header('location', location)
      return reply.send(found.rawPayload)
    })
  }
}

async function makeDocumentation(routes: readonly Route[], version: string): Promise<FastifyInstance> {
  const [{ default: fastify }, { default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ])
  const app = fastify({ logger: false })
  // Nothing is ever called here: schemas are told, not compiled.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  await app.register(swagger, { openapi: openapiOf(version) })
  await app.register(swaggerUi, {
    routePrefix: `/api${DOCS_PATH}`,
    uiConfig: { url: '/api/openapi.json', docExpansion: 'none', deepLinking: true, validatorUrl: null },
  })
  app.register(async (scope) => {
    for (const route of routes) {
      scope.route({
        method: route.method,
        url: `/api/v1${route.path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        schema: schemaOf(route),
        handler: async () => undefined,
      })
    }
  })
  await app.ready()
  return app
}

function openapiOf(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Mizan',
      version,
      description: 'Authorization switch and ledger of a national benefit and payment card. See docs/api.md.',
    },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http' as const,
          scheme: 'bearer',
          description: 'A session token of `POST /api/v1/auth/login`, or an API key.',
        },
      },
    },
  }
}

function schemaOf(route: Route): Record<string, unknown> {
  const access = accessMatrix[route.action]
  const who = access === 'open' ? 'Open to all.' : access === 'logged-in' ? 'For whoever is logged in.' : ''
  const roles = Array.isArray(access) ? `Roles: ${access.join(', ')}.` : who
  const response: Record<string, object> = { default: problemAnswer }
  for (const [status, schema] of Object.entries(route.answers)) {
    response[status] = { ...(schema ?? { type: 'null' }), description: statusWords[status] ?? 'done' }
  }
  const keyHeader = shape({
    'idempotency-key': Type.String({ description: 'The same key with the same body changes something once.' }),
  })
  return {
    operationId: operationOf(route),
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, roles].filter((text) => text !== undefined).join('\n\n'),
    ...(route.params === undefined ? {} : { params: route.params }),
    ...(route.query === undefined ? {} : { querystring: route.query }),
    ...(route.body === undefined ? {} : { body: route.body }),
    ...(route.upload === undefined ? {} : { consumes: [...route.upload], body: Type.String() }),
    ...(route.changes === true ? { headers: keyHeader } : {}),
    ...(access === 'open' ? {} : { security: [{ bearer: [] }] }),
    response,
  }
}

/** Such as `postCardsCardIdBlock`: one name for each route. */
function operationOf({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== '')
  return method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('')
}
