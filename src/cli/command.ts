import type { Io } from './io.js'

/** @internal The exit codes of the commands. */
export const exitCodes = {
  /** All is done. */
  done: 0,
  /** Something was found wrong, or not all is done. */
  notDone: 1,
  /** The command, its files or the app cannot be used as they are. */
  badUsage: 2
} as const

/** @internal A command of the command line. */
export interface Command {
  /** The text of `--help`: how the command is called, its options, and its exit codes. */
  usage: string
  /** What the command does, in a few words for the list of commands. */
  summary: string
  /**
   * Runs the command and resolves with its exit code.
   *
   * @param args those after the command's name
   * @throws UsageError for arguments, files or an app that cannot be used
   */
  run (args: string[], io: Io): Promise<number>
}
