// The rule of the ESE schedule alone: tasks of argv[3] placed with each set of overlaps; findings as JSON.
import { readFileSync } from "node:fs";

const { deciding, makespan, neighbour, place, resourcesOf, utilisation } = await import(process.argv[2]);
const runs = JSON.parse(readFileSync(process.argv[3], "utf8"));

console.log(JSON.stringify(runs.map(({ tasks, on }) => {
  const slots = place(tasks, on);
  const reached = new Set([slots[0].name]);
  for (const name of reached) for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]) reached.add(neighbour(slots, name, key));
  return {
    slots: slots.map(({ name, resource, start, end, after, state }) => ({ name, resource, start, end, after, state })),
    makespan: makespan(slots), deciding: deciding(slots), reached: reached.size,
    utilisation: Object.fromEntries(resourcesOf(tasks).map((resource) => [resource, utilisation(slots, resource)])),
  };
})));
