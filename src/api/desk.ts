import type { CommandState } from '../store/command-requests.ts'
import type { PeopleActor, PeopleDesk } from '../store/people-desk.ts'
import { type Asked, askOnce, commandKeyOf } from './once.ts'
import type { Answer, Call } from './route.ts'

/** The desk of the work with people, on a connection or a pool. */
export function deskOf({ services }: Pick<Call, 'services'>, client: PeopleDesk['client']): PeopleDesk {
  const { personal, pans, clock } = services
  return { client, personal, pans, now: () => clock.now() }
}

/**
 * Asks at the desk for a command, once for an idempotency key; people who are entered and the command are durable
 * together.
 * @param household that it is about; absent = the one that the command opens
 */
export function askAtDesk(
  call: Call,
  household: number | undefined,
  ask: (desk: PeopleDesk, actor: PeopleActor) => Promise<CommandState>,
  detail: Asked['detail'] = {},
): Promise<Answer> {
  return askOnce(call, async (client) => {
    const command = await ask(deskOf(call, client), { name: call.actor.id, key: commandKeyOf(call) })
    return { command, households: [household ?? Number(command.detail.household)], detail }
  })
}
