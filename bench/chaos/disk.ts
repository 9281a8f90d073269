import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'

/** The volume of the database's own: it can be filled and frozen without harm to the machine. */
export interface ChaosDisk {
  /** Takes all room that is left. @returns mebibytes taken */
  fill(): number
  /** Gives the room back. */
  free(): void
  /** Every write to it waits from now on. */
  freeze(): void
  thaw(): void
  /** Whether a folder lies on it. */
  holds(folder: string): boolean
  /** Detaches it and removes its file. */
  close(): void
}

const IMAGE_BYTES = 6 * 1_024 ** 3
const MEBIBYTE = 1_024 ** 2
const BLOCK_BYTES = 4_096
const FILLER_FILES_MAX = 40

/**
 * Makes a volume from a sparse file and mounts it at `folder`.
 * @returns the volume, or in words why there is none: it takes Linux, root, and the programs of util-linux
 */
export function makeDisk(folder: string): ChaosDisk | string {
  if (process.platform !== 'linux') return 'a volume of its own takes Linux'
  if (process.getuid?.() !== 0) return 'a volume of its own takes root, to mount it'
  const image = `${folder}.img`
  mkdirSync(folder, { recursive: true })
  const steps: readonly (readonly [string, ...string[]])[] = [
    ['truncate', '-s', String(IMAGE_BYTES), image],
    // No blocks are kept back for root: they would be room that the server cannot have.
    ['mkfs.ext4', '-q', '-F', '-m', '0', image],
    ['mount', '-o', 'loop', image, folder],
  ]
  for (const [program, ...parameters] of steps) {
    const problem = run(program, parameters)
    if (problem === undefined) continue
    rmSync(image, { force: true })
    return `a volume of its own cannot be made: ${problem}`
  }
  return new LoopDisk(folder, image)
}

class LoopDisk implements ChaosDisk {
  readonly #folder: string
  readonly #image: string
  readonly #filler: string
  #frozen = false
  #open = true
  readonly #onExit = () => this.close()

  constructor(folder: string, image: string) {
    this.#folder = folder
    this.#image = image
    this.#filler = path.join(folder, 'filler')
    process.once('exit', this.#onExit)
  }

  fill(): number {
    mkdirSync(this.#filler, { recursive: true })
    const before = roomOf(this.#folder)
    // A file takes blocks for its own description too: what one cannot have is left to smaller ones.
    for (let share = 1, file = 0; roomOf(this.#folder) > 0 && file < FILLER_FILES_MAX; file++) {
      const bytes = Math.max(BLOCK_BYTES, Math.floor((roomOf(this.#folder) * share) / BLOCK_BYTES) * BLOCK_BYTES)
      const problem = run('fallocate', ['-l', String(bytes), path.join(this.#filler, String(file))])
      if (problem !== undefined) share /= 2
    }
    return Math.round((before - roomOf(this.#folder)) / MEBIBYTE)
  }

  free(): void {
    rmSync(this.#filler, { recursive: true, force: true })
  }

  freeze(): void {
    this.#must('fsfreeze', ['--freeze', this.#folder])
    this.#frozen = true
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#must('fsfreeze', ['--unfreeze', this.#folder])
    this.#frozen = false
  }

  holds(folder: string): boolean {
    return path.resolve(folder).startsWith(`${path.resolve(this.#folder)}${path.sep}`)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    process.off('exit', this.#onExit)
    if (this.#frozen) run('fsfreeze', ['--unfreeze', this.#folder])
    // Lazily: a server that is still ending has files open.
    run('umount', ['--lazy', this.#folder])
    if (existsSync(this.#image)) rmSync(this.#image, { force: true })
  }

  #must(program: string, parameters: readonly string[]): void {
    const problem = run(program, parameters)
    if (problem !== undefined) throw new Error(`${program}: ${problem}`)
  }
}

function roomOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** @returns what went wrong, or undefined */
function run(program: string, parameters: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, parameters, { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr.trim() || `${program} ends with ${status}`
}
