#!/usr/bin/env bash
# Bluesky's servers from npm. Of their install scripts the one that compiles SQLite is run and no other. It needs g++,
# make, python3 and the headers that belong to node; with them nothing is fetched from anywhere but the npm registry.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-progress

prefix=$(node -p 'require("node:path").resolve(process.execPath, "../..")')
if [ -d "$prefix/include/node" ]; then
  export npm_config_nodedir=$prefix
fi
npm_config_build_from_source=true JOBS=max npm rebuild better-sqlite3 --no-progress
node -e 'new (require("better-sqlite3"))(":memory:").close()'
