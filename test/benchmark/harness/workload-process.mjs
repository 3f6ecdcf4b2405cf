/*
 * A workload in a process of its own: what one of them loads and warms changes how fast the code is that another one measures.
 *
 * Arguments: the workload's file, and the settings as JSON. Sends what its run() resolved with.
 */
const [file, settings] = process.argv.slice(2)
const { run } = await import(file)
process.send(await run({ ...JSON.parse(settings), progress: text => console.log(`  ${new Date().toISOString().slice(11, 19)} ${text}`) }), () => process.disconnect())
