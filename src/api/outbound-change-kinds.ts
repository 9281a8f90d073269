import type { Client } from '../store/connection.ts'
import { dropOutbound, readOutbound, requireOpen, resendOutbound } from '../store/outbound-desk.ts'
import type { ApprovedChange, ChangeKind } from './changes.ts'
import { id, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const messageId = id('Number of the queued message.')

const findMessage = async (client: Client, payload: Payload) => {
  const { message } = await readOutbound(client, Number(payload.messageId))
  requireOpen(message)
}

function outboundAuthor({ maker, checker, reason }: ApprovedChange, nowMs: number) {
  return { actor: `${maker} + user:${checker}`, reason, nowMs }
}

/** Changes of messages that move money and could not be delivered. */
export const outboundChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'outbound-resend': {
    what: 'send a dead letter again that moves money',
    makers: ['operator', 'settlement'],
    checkers: ['operator', 'settlement'],
    payload: shape({ messageId }),
    validate: findMessage,
    execute: async (client, request, { clock }) => {
      const id = Number(request.payload.messageId)
      await resendOutbound(client, id, outboundAuthor(request, clock.now()))
      return { by: 'change', result: `message ${id} waits to be sent again` }
    },
  },
  'outbound-drop': {
    what: 'never send a message that moves money',
    makers: ['operator', 'settlement'],
    checkers: ['operator', 'settlement'],
    payload: shape({ messageId }),
    validate: findMessage,
    execute: async (client, request, { clock }) => {
      const id = Number(request.payload.messageId)
      await dropOutbound(client, id, outboundAuthor(request, clock.now()))
      return { by: 'change', result: `message ${id} is dropped` }
    },
  },
}
