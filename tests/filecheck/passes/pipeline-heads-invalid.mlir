// Without an attention by heads there is nothing to cut.

// RUN: not xdsl-opt %s -p pipeline-heads 2>&1 | filecheck %s

// CHECK: pipeline-heads finds no pim.attend: it needs caches with a head in a channel

builtin.module {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}
