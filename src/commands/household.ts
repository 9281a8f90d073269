import { Command } from 'commander'
import { type CommandIo, processIo } from './command-io.ts'
import { householdLoadCommand } from './household-load.ts'
import { householdPeopleCommands } from './household-people.ts'
import { householdSampleCommand } from './household-sample.ts'

/** `mizan household`: one household and its people; households, many at once. */
export function householdCommand(io: CommandIo = processIo): Command {
  const command = new Command('household').description(
    'enrol a household, look at it, change who belongs to it; open the households of a file',
  )
  for (const one of householdPeopleCommands(io)) command.addCommand(one)
  return command.addCommand(householdLoadCommand(io)).addCommand(householdSampleCommand(io))
}
