// A plain k6 script: a constant arrival rate, or PEER_USERS users as fast as they can (rate 0).
import http from "k6/http";
import exec from "k6/execution";

const rate = Number(__ENV.PEER_RATE);
const duration = `${__ENV.PEER_SECONDS}s`;
const users = Number(__ENV.PEER_USERS);

export const options = {
  summaryTrendStats: ["med", "p(99)", "p(99.9)", "max"],
  discardResponseBodies: true,
  scenarios: {
    peer: rate
      ? { executor: "constant-arrival-rate", rate, timeUnit: "1s", duration,
          preAllocatedVUs: users, maxVUs: 4 * users }
      : { executor: "constant-vus", vus: users, duration },
  },
};

export default function () {
  http.get(`${__ENV.PEER_URL}/${__ENV.PEER_KIND}/${exec.scenario.iterationInTest}`);
}
