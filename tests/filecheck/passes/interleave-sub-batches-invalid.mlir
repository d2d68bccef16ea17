// RUN: xdsl-opt %s -p interleave-sub-batches --split-input-file --verify-diagnostics | filecheck %s

// CHECK: the module has 0 host plans, expected 1: run llm-outline-kernels first
builtin.module {
}

// -----

// CHECK: the plan has sub-batches already
builtin.module {
  func.func @step(%rows: index, %sequences: index, %first_rows: index, %first_sequences: index) attributes {device = "host"} {
    func.return
  }
}
