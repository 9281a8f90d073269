import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { CLEARING_FOLDER_MODE } from './atomic-file.ts'

/** Path of a name in a folder that no file has, with or without an ending: what is refused under one name again stays beside it. */
export async function freeName(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: CLEARING_FOLDER_MODE })
  const taken = await readdir(folder)
  let free = name
  for (let number = 2; taken.some((one) => one === free || one.startsWith(`${free}.`)); number++)
    free = `${name}-${number}`
  return path.join(folder, free)
}
