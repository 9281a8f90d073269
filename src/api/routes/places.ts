import { Type } from 'typebox'
import { closePlace, listPlaces, savePlace } from '../../store/people-rules.ts'
import { deskOf } from '../desk.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { shape, words } from '../shapes.ts'

const tag = 'issuance'
const placeId = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{1,31}$', description: 'Name of the place in addresses.' })
const params = shape({ placeId })
const kinds = ['post', 'supply', 'health'] as const

const details = {
  kind: Type.Enum([...kinds]),
  governorate: Type.String({ pattern: '^[A-Z]{1,3}$', description: 'ISO 3166-2:EG, such as PTS.' }),
  name: words('As people know it.', 100),
  address: words('Where it is.', 200),
  hours: words('When it is open.', 60),
}

/** A place where cards are collected. */
export const placeShape = shape({ id: Type.String(), ...details })

/** Where cards are collected. */
export const placeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/collection-places',
    tag,
    summary: 'list the places where cards are collected',
    query: shape({ governorate: Type.Optional(details.governorate) }),
    answers: { 200: shape({ items: Type.Array(placeShape) }) },
    handler: async (call) => {
      const desk = deskOf(call, call.services.database.queryable)
      return ok({ items: await listPlaces(desk, call.query.governorate) })
    },
  }),
  route({
    method: 'POST',
    path: '/collection-places/{placeId}',
    tag,
    summary: 'add a place where cards are collected, or change it',
    params,
    body: shape(details),
    answers: { 200: placeShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { kind, ...more } = call.body
        const place = { ...more, id: call.params.placeId, kind: kinds.find((one) => one === kind) ?? 'post' }
        await savePlace(deskOf(call, client), place, { name: call.actor.id })
        return { answer: ok(place), detail: { place: place.id } }
      }),
  }),
  route({
    method: 'POST',
    path: '/collection-places/{placeId}/close',
    tag,
    summary: 'close a place for good',
    params,
    answers: { 200: shape({ id: Type.String(), closed: Type.Boolean() }) },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { placeId: closed } = call.params
        await closePlace(deskOf(call, client), closed, { name: call.actor.id })
        return { answer: ok({ id: closed, closed: true }), detail: { place: closed } }
      }),
  }),
]
