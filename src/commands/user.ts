import { Command } from 'commander'
import {
  type AccessUser,
  addUser,
  confirmUser,
  disableUser,
  listUsers,
  setPassword,
  setUserRoles,
} from '../store/access-users.ts'
import { atAccess, changeNoted, newPasswordHash, parseRoles, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

interface PasswordOptions extends CommonOptions {
  readonly passwordFile?: string
  readonly keep: boolean
}

/** `mizan user`: who may log in to the HTTP API; the first administrator is added here. */
export function userCommand(io: CommandIo = processIo): Command {
  return new Command('user')
    .description('users of the HTTP API and their roles; see docs/api.md')
    .addCommand(listCommand(io))
    .addCommand(addCommand(io))
    .addCommand(rolesCommand(io))
    .addCommand(passwordCommand(io))
    .addCommand(confirmCommand(io))
    .addCommand(disableCommand(io))
}

function withPassword(command: Command): Command {
  return command
    .option('--password-file <file>', 'file of mode 0600 with the password; otherwise it is asked for')
    .option('--keep', 'the user need not change the password first', false)
}

const collected = (value: string, before: string[] | undefined) => [...(before ?? []), value]

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list the users, disabled ones too')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      const users = await listUsers(client)
      if (options.json) io.out(`${JSON.stringify(users)}\n`)
      for (const user of options.json ? [] : users) io.out(`${lineOf(user)}\n`)
    }),
  )
}

function lineOf(user: AccessUser): string {
  const { name, roles, mustChange, lockedUntilMs, disabledAtMs, lastLoginAtMs, confirmedBy } = user
  const at = (ms: number) => new Date(ms).toISOString()
  const notes = [
    lastLoginAtMs === undefined ? 'never logged in' : `last login ${at(lastLoginAtMs)}`,
    ...(mustChange ? ['has to change the password'] : []),
    ...(confirmedBy === undefined ? ['to be confirmed by another administrator'] : []),
    ...(lockedUntilMs !== undefined && lockedUntilMs > Date.now() ? [`locked until ${at(lockedUntilMs)}`] : []),
    ...(disabledAtMs === undefined ? [] : [`disabled ${at(disabledAtMs)}`]),
  ]
  return `${name.padEnd(24)} ${roles.join(', ').padEnd(24)} ${notes.join('; ')}`
}

function addCommand(io: CommandIo): Command {
  const command = new Command('add')
    .description('add a user, such as the first administrator')
    .argument('<name>', 'lower-case letters, digits, dots, dashes, underscores')
    .requiredOption(
      '--role <role>',
      'enrolment, operator, settlement, analyst, auditor or admin; may be given again',
      collected,
    )
  return withCommonOptions(withPassword(command)).action(
    (name: string, options: PasswordOptions & { readonly role: readonly string[] }) => {
      const roles = parseRoles(options.role)
      return atAccess(io, options, async ({ client }) => {
        const hash = await newPasswordHash(io, options.passwordFile)
        const user = { name, roles, mustChange: !options.keep }
        await changeNoted(io, client, { action: 'user add', detail: { ...user } }, () =>
          addUser(client, user, hash, systemActor(io)),
        )
        say(io, options, { name, roles }, `user ${name} is added: ${roles.join(', ')}`)
      })
    },
  )
}

function rolesCommand(io: CommandIo): Command {
  const command = new Command('roles')
    .description('give a user other roles, at once')
    .argument('<name>', 'of the user')
    .requiredOption('--role <role>', 'each role that the user is to have', collected)
  return withCommonOptions(command).action(
    (name: string, options: CommonOptions & { readonly role: readonly string[] }) => {
      const roles = parseRoles(options.role)
      return atAccess(io, options, async ({ client }) => {
        await changeNoted(io, client, { action: 'user roles', detail: { name, to: roles } }, () =>
          setUserRoles(client, name, roles, systemActor(io)),
        )
        say(io, options, { name, roles }, `user ${name} now has: ${roles.join(', ')}`)
      })
    },
  )
}

function passwordCommand(io: CommandIo): Command {
  const command = new Command('password')
    .description('set a password again; the sessions of the user end, and a lock is undone')
    .argument('<name>', 'of the user')
  return withCommonOptions(withPassword(command)).action((name: string, options: PasswordOptions) =>
    atAccess(io, options, async ({ client }) => {
      const hash = await newPasswordHash(io, options.passwordFile)
      await changeNoted(io, client, { action: 'user password', detail: { name } }, () =>
        setPassword(client, name, hash, { mustChange: !options.keep, by: systemActor(io) }),
      )
      say(io, options, { name }, `the password of ${name} is set`)
    }),
  )
}

function confirmCommand(io: CommandIo): Command {
  const command = new Command('confirm')
    .description('confirm the access that an administrator gave a user, where there is no second administrator')
    .argument('<name>', 'of the user')
  return withCommonOptions(command).action((name: string, options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      const by = systemActor(io)
      await changeNoted(io, client, { action: 'user confirm', detail: { name } }, () => confirmUser(client, name, by))
      say(io, options, { name, confirmedBy: by }, `the access of ${name} is confirmed`)
    }),
  )
}

function disableCommand(io: CommandIo): Command {
  const command = new Command('disable')
    .description('disable a user for good; sessions and keys of the user end')
    .argument('<name>', 'of the user')
  return withCommonOptions(command).action((name: string, options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      await changeNoted(io, client, { action: 'user disable', detail: { name } }, () => disableUser(client, name))
      say(io, options, { name, disabled: true }, `user ${name} is disabled`)
    }),
  )
}

function say(io: CommandIo, { json }: CommonOptions, result: object, words: string): void {
  io.out(json ? `${JSON.stringify(result)}\n` : `${words}\n`)
}
