/** The files of `test/hosts` whose hosts run what is built in `dist`, in processes of their own. */
export const builtHosts = ['example-hosts.test.ts', 'migrate-command.test.ts', 'queues.test.ts']
